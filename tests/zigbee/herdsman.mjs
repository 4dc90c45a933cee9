// zigbee-herdsman, the engine of zigbee2mqtt, on the simulated stick: it forms a network, lets a
// plug join, interviews it, reads it, and writes a backup. Arguments: adapter (ember or
// zstack), port, folder.
import {readFileSync} from 'node:fs';
import {Controller, setLogger} from 'zigbee-herdsman';

const [, , adapter, path, folder] = process.argv;
const say = (level) => (message, namespace) =>
  console.error(level, namespace, typeof message === 'function' ? message() : message);
setLogger({debug: () => {}, info: () => {}, warning: say('warning'), error: say('error')});

const fail = (reason) => {
  console.log(`failed: ${reason}`);
  process.exit(1);
};
setTimeout(() => fail('not done within 60 s'), 60_000);

const controller = new Controller({
  network: {
    panID: 0x1a62,
    extendedPanID: [0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd],
    channelList: [15],
    networkKey: [1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 13],
  },
  serialPort: {},
  transport: {path, adapter, rtscts: false, baudRate: 115200},
  databasePath: `${folder}/herdsman.db`,
  databaseBackupPath: `${folder}/herdsman.db.backup`,
  backupPath: `${folder}/herdsman.json`,
  adapter: {disableLED: false},
  acceptJoiningDeviceHandler: async () => true,
});

const interviewed = new Promise((resolve) => {
  controller.on('deviceInterview', (event) => {
    if (event.status === 'failed') fail(`the interview of ${event.device.ieeeAddr}`);
    if (event.status === 'successful') resolve(event.device);
  });
});
const started = await controller.start();
const network = await controller.getNetworkParameters();
if (network.panID !== 0x1a62 || network.channel !== 15) fail(`network ${JSON.stringify(network)}`);
await controller.permitJoin(60);
const device = await interviewed;
if (device.modelID !== 'WS-Plug') fail(`model ${device.modelID}`);
const endpoint = device.getEndpoint(1);
const energy = await endpoint.read('seMetering', ['multiplier', 'divisor', 'currentSummDelivered']);
if (energy.divisor !== 1000) fail(`energy ${JSON.stringify(energy)}`);
await endpoint.command('genOnOff', 'off', {});
const state = await endpoint.read('genOnOff', ['onOff']);
if (state.onOff !== 0) fail(`still on: ${JSON.stringify(state)}`);
await endpoint.command('genOnOff', 'on', {});
// As zigbee2mqtt does with a plug: it reports to the coordinator from now on.
const [coordinator] = controller.getDevicesByType('Coordinator');
await endpoint.bind('haElectricalMeasurement', coordinator.getEndpoint(1));
await endpoint.configureReporting('haElectricalMeasurement', [
  {attribute: 'activePower', minimumReportInterval: 1, maximumReportInterval: 10, reportableChange: 1},
]);
await controller.backup();
const backup = JSON.parse(readFileSync(`${folder}/herdsman.json`, 'utf8'));
if (backup.metadata.format !== 'zigpy/open-coordinator-backup') fail('no backup');
if (backup.network_key.key !== '01030507090b0d0f00020406080a0c0d') fail('another key in the backup');
await controller.stop();
console.log(`ok: ${started}, joined ${device.ieeeAddr} ${device.modelID}, divisor ${energy.divisor}, backup of PAN ${backup.pan_id}`);
process.exit(0);
