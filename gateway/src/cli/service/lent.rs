//! Borrowing a meter's line from the daemon.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use wattle_api::{BorrowLine, LINE_LENT, LINE_PATH};

/// Longest wait for the daemon to end what it does with the meter.
const PATIENCE: Duration = Duration::from_secs(30);
/// Longest head of an answer, and longest reason of a refusal.
const LONGEST: u64 = 64 * 1024;

/// A line that the daemon does not use for as long as this lives, or one that no daemon uses.
pub(super) struct Lent(
    #[expect(dead_code, reason = "it is given back when this is dropped")]
    Option<BufReader<UnixStream>>,
);

/// Borrows the line of a meter from the daemon at `socket`, if there is a daemon that knows the meter.
///
/// # Errors
/// The daemon does not lend it.
pub(super) fn borrow(socket: &Path, meter: &str) -> anyhow::Result<Lent> {
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        // No daemon, or one that this user may not ask: whether the port is free shows when it is opened.
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::ConnectionRefused | ErrorKind::PermissionDenied
            ) =>
        {
            return Ok(Lent(None));
        }
        Err(error) => return Err(error).with_context(|| socket.display().to_string()),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let body = serde_json::to_string(&BorrowLine {
        meter: meter.to_owned(),
    })?;
    write!(
        stream,
        "POST {LINE_PATH} HTTP/1.0\r\nHost: wattle\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = BufReader::new(stream);
    let status = line(&mut answer)?;
    while !line(&mut answer)?.is_empty() {}
    match status.split(' ').nth(1) {
        Some("200") if line(&mut answer)? == LINE_LENT => Ok(Lent(Some(answer))),
        // The daemon runs with another configuration, in which nobody uses this line.
        Some("404") => Ok(Lent(None)),
        _ => {
            let mut body = String::new();
            answer.take(LONGEST).read_to_string(&mut body)?;
            let problem: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
            let reason = problem.get("error").and_then(serde_json::Value::as_str);
            anyhow::bail!(
                "the daemon does not lend the line of {meter}: {}",
                reason.unwrap_or("it does not say why")
            )
        }
    }
}

/// One line of the answer, without its end.
fn line(answer: &mut BufReader<UnixStream>) -> anyhow::Result<String> {
    let mut text = String::new();
    let read = answer.by_ref().take(LONGEST).read_line(&mut text);
    read.context("the daemon does not answer")?;
    anyhow::ensure!(text.ends_with('\n'), "the daemon's answer is cut");
    Ok(text.trim_end().to_owned())
}
