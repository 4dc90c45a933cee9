// Wireless meters on the air, as lines of hex on a TCP port: a clear water meter, and a gas meter
// in security mode 5 (OMS, AES-128-CBC) whose key is printed here. Telegrams are made here, by
// another implementation of the sealing than the gateway's.
import { createCipheriv } from 'node:crypto';
import { createServer } from 'node:net';

export const GAS = { id: '10000001', key: '000102030405060708090A0B0C0D0E0F' };

const bcd = (digits) => Buffer.from(digits, 'hex').reverse();

function telegram({ id, type, index, key, access }) {
  const maker = ((('S'.charCodeAt(0) - 64) * 32 + ('I'.charCodeAt(0) - 64)) * 32) + ('M'.charCodeAt(0) - 64);
  const address = Buffer.concat([Buffer.from([maker & 255, maker >> 8]), bcd(id), Buffer.from([1, type])]);
  let body = Buffer.concat([Buffer.from([0x0c, 0x13]), bcd(String(index).padStart(8, '0'))]);
  let config = Buffer.from([0, 0]);
  if (key) {
    body = Buffer.concat([Buffer.from([0x2f, 0x2f]), body]);
    body = Buffer.concat([body, Buffer.alloc((16 - (body.length % 16)) % 16, 0x2f)]);
    config = Buffer.from([body.length, 0x05]);
    const iv = Buffer.concat([address, Buffer.alloc(8, access)]);
    const cipher = createCipheriv('aes-128-cbc', Buffer.from(key, 'hex'), iv).setAutoPadding(false);
    body = Buffer.concat([cipher.update(body), cipher.final()]);
  }
  const rest = Buffer.concat([Buffer.from([0x44]), address, Buffer.from([0x7a, access, 0]), config, body]);
  return Buffer.concat([Buffer.from([rest.length]), rest]).toString('hex').toUpperCase();
}

/** Begins to send, every 300 ms to whoever is connected. */
export function start(port) {
  let access = 1;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    const timer = setInterval(() => {
      access = (access + 1) % 256;
      socket.write(`${telegram({ ...GAS, type: 3, index: 4711000 + access, access })}\n`);
      socket.write(`${telegram({ id: '10000002', type: 7, index: 123528, access })}\n`);
    }, 300);
    socket.on('close', () => clearInterval(timer));
  });
  return new Promise((done) => server.listen(port, '127.0.0.1', () => done(server)));
}
