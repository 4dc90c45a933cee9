//! Just enough of HTTP/1.1 to speak with the gateway over its Unix socket (RFC 9112).

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// The longest line of a stream, or body of an answer, that is read: a state of hundreds of
/// registers is far shorter.
pub(crate) const LONGEST_LINE: u64 = 4 << 20;
const LONGEST_HEAD: u64 = 64 << 10;
/// How long the gateway may think.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// What stands before a response's body, as far as it is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    /// The body comes in chunks.
    pub(crate) chunked: bool,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// Sends one request, with a JSON body if there is one, and reads the whole answer.
pub(crate) fn exchange(
    socket: &Path,
    method: &str,
    path: &str,
    body: Option<&str>,
) -> io::Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut request = format!(
        "{method} {path} HTTP/1.1\r\nHost: wattle\r\nAccept: application/json\r\n\
         Connection: close\r\n"
    );
    if let Some(body) = body {
        request.push_str("Content-Type: application/json\r\n");
        request.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    request.push_str("\r\n");
    request.push_str(body.unwrap_or_default());
    stream.write_all(request.as_bytes())?;
    let mut reader = BufReader::new(stream);
    let head = read_head(&mut reader)?;
    let mut body = Vec::new();
    if head.chunked {
        Chunked::new(reader)
            .take(LONGEST_LINE)
            .read_to_end(&mut body)?;
    } else {
        reader.take(LONGEST_LINE).read_to_end(&mut body)?;
    }
    Ok(Answer {
        status: head.status,
        body,
    })
}

/// Reads a response's head.
pub(crate) fn read_head(reader: &mut impl BufRead) -> io::Result<Head> {
    let mut head = reader.take(LONGEST_HEAD);
    let mut status = String::new();
    head.read_line(&mut status)?;
    let code = status
        .strip_prefix("HTTP/1.")
        .and_then(|rest| rest.split(' ').nth(1))
        .and_then(|code| code.trim().parse().ok());
    let Some(status) = code else {
        return Err(invalid(format!(
            "the gateway answered {:?}",
            status.trim_end()
        )));
    };
    let mut chunked = false;
    loop {
        let mut line = String::new();
        if head.read_line(&mut line)? == 0 {
            return Err(invalid("the answer's head does not end"));
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(Head { status, chunked });
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("transfer-encoding")
        {
            chunked = value.trim().eq_ignore_ascii_case("chunked");
        }
    }
}

/// The body of a response sent in chunks (RFC 9112, 7.1). Trailers end it unread.
pub(crate) struct Chunked<R> {
    inner: R,
    left: u64,
    first: bool,
}

impl<R> Chunked<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self {
            inner,
            left: 0,
            first: true,
        }
    }
}

impl<R: BufRead> Read for Chunked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 {
            let mut line = String::new();
            if !self.first {
                self.inner.by_ref().take(2).read_line(&mut line)?;
                line.clear();
            }
            self.first = false;
            if self.inner.by_ref().take(1_024).read_line(&mut line)? == 0 {
                return Ok(0);
            }
            let size = line.trim_end().split(';').next().unwrap_or_default();
            self.left = u64::from_str_radix(size, 16)
                .map_err(|_| invalid(format!("a chunk of size {size:?}")))?;
            if self.left == 0 {
                // The last chunk; asked again, it is the end again.
                return Ok(0);
            }
        }
        let room = usize::try_from(self.left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let Some(part) = buffer.get_mut(..room) else {
            return Ok(0);
        };
        let read = self.inner.read(part)?;
        if read == 0 && room > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= read as u64;
        Ok(read)
    }
}

pub(crate) fn invalid(reason: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let body = b"5\r\nevent\r\n3;x=y\r\n: s\r\n0\r\n\r\n";
        let mut text = String::new();
        Chunked::new(&body[..]).read_to_string(&mut text).unwrap();
        assert_eq!(text, "event: s");
        for damaged in [&b"zz\r\n"[..], b"5\r\nab"] {
            let mut chunked = Chunked::new(damaged);
            assert!(chunked.read_to_end(&mut Vec::new()).is_err());
        }
    }

    #[test]
    fn the_head_is_checked() {
        for (head, expected) in [
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                Some((200, true)),
            ),
            (
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n",
                Some((200, false)),
            ),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Some((404, false))),
            ("HTTP/1.1 often\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n", None),
            ("", None),
        ] {
            let read = read_head(&mut head.as_bytes()).ok();
            let read = read.map(|head| (head.status, head.chunked));
            assert_eq!(read, expected, "{head:?}");
        }
    }
}
