//! The client against a gateway of a few lines: what it asks, what it reads, and that it comes
//! back after every kind of end.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod common;

use common::fixture;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::time::Duration;
use ui::client;

const PATIENCE: Duration = Duration::from_secs(20);

/// Reads a request up to its empty line and answers its first line.
fn request(stream: &UnixStream) -> String {
    let lines: Vec<String> = BufReader::new(stream)
        .lines()
        .map(Result::unwrap)
        .take_while(|line| !line.is_empty())
        .collect();
    lines[0].clone()
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[test]
fn it_reads_states_and_connects_again_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, arrived) = mpsc::channel();
    let mailbox = client::start(socket, move || sender.send(()).unwrap()).unwrap();
    let event = |name: &str| {
        format!(
            "event: state\ndata: {}\n\n",
            serde_json::to_string(&fixture(name)).unwrap()
        )
    };

    // Chunked, with an event torn in the middle, as a server sends it.
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(request(&stream), "GET /api/v1/events HTTP/1.1");
    let text = event("normal");
    let (first, rest) = text.split_at(100);
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    )
    .unwrap();
    write!(
        stream,
        "{}{}{}",
        chunk(": hello\n\n"),
        chunk(first),
        chunk(rest)
    )
    .unwrap();
    arrived.recv_timeout(PATIENCE).unwrap();
    let news = mailbox.read();
    assert!(news.connected);
    assert_eq!(news.state.unwrap().0, fixture("normal"));

    // The connection breaks: the last state stays.
    drop(stream);
    arrived.recv_timeout(PATIENCE).unwrap();
    let news = mailbox.read();
    assert!(!news.connected && news.state.is_some() && news.trouble.is_some());

    // An answer that is no event stream.
    let (mut stream, _) = listener.accept().unwrap();
    request(&stream);
    write!(stream, "HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap();
    drop(stream);
    arrived.recv_timeout(PATIENCE).unwrap();
    assert!(mailbox.read().trouble.unwrap().contains("503"));

    // And a good one again, not chunked.
    let (mut stream, _) = listener.accept().unwrap();
    request(&stream);
    write!(stream, "HTTP/1.1 200 OK\r\n\r\n{}", event("stale")).unwrap();
    arrived.recv_timeout(PATIENCE).unwrap();
    let news = mailbox.read();
    assert!(news.connected && news.trouble.is_none());
    assert_eq!(news.state.unwrap().0, fixture("stale"));
}

#[test]
fn a_question_is_asked_once_and_answered_into_the_mailbox() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, arrived) = mpsc::channel();
    let mailbox = client::Mailbox::default();
    let questions =
        client::answer(socket, mailbox.clone(), move || sender.send(()).unwrap()).unwrap();
    let answers = common::answers("normal");

    questions
        .send(client::Question::Usage(
            wattle_api::UsageSpan::Week,
            2,
            wattle_api::Medium::Gas,
        ))
        .unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(
        request(&stream),
        "GET /api/v1/usage?span=week&back=2&medium=gas HTTP/1.1"
    );
    let body = serde_json::to_string(&answers.usage).unwrap();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk(&body)
    )
    .unwrap();
    drop(stream);
    arrived.recv_timeout(PATIENCE).unwrap();
    assert_eq!(mailbox.read().answers.usage, answers.usage);

    questions.send(client::Question::Bill).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    assert_eq!(request(&stream), "GET /api/v1/bill HTTP/1.1");
    write!(stream, "HTTP/1.1 404 Not Found\r\n\r\n{{}}").unwrap();
    drop(stream);
    arrived.recv_timeout(PATIENCE).unwrap();
    assert_eq!(mailbox.read().answers.bill, None);
}

#[test]
fn a_command_is_carried_out_and_can_be_taken_back() {
    use ui::command::{self, Command};
    use wattle_api::ApplianceCorrection;
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("api.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let (sender, arrived) = mpsc::channel();
    let mailbox = client::Mailbox::default();
    let commands =
        command::carry_out(socket, mailbox.clone(), move || sender.send(()).unwrap()).unwrap();
    let said = ApplianceCorrection::Merge {
        appliance: "kettle_2".to_owned(),
        into: "kettle".to_owned(),
    };
    let outcome = |answer: &str| {
        let (mut stream, _) = listener.accept().unwrap();
        let asked = request(&stream);
        write!(stream, "{answer}").unwrap();
        drop(stream);
        arrived.recv_timeout(PATIENCE).unwrap();
        (asked, mailbox.read().done.unwrap().outcome)
    };

    commands.send(Command::Correct(said.clone())).unwrap();
    let made = wattle_api::Corrected {
        id: 7,
        correction: said,
    };
    let body = serde_json::to_string(&made).unwrap();
    let (asked, done) = outcome(&format!("HTTP/1.1 201 Created\r\n\r\n{body}"));
    assert_eq!(asked, "POST /api/v1/appliances/corrections HTTP/1.1");
    assert_eq!(done, Ok(Some(Command::Undo(7))));

    commands.send(Command::Undo(7)).unwrap();
    let (asked, done) = outcome("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(asked, "DELETE /api/v1/appliances/corrections/7 HTTP/1.1");
    assert_eq!(done, Ok(None));

    let label = |label: Option<&str>, before: Option<&str>| Command::Label {
        name: "kettle".to_owned(),
        label: label.map(str::to_owned),
        before: before.map(str::to_owned),
    };
    commands.send(label(Some("Blue"), None)).unwrap();
    let (asked, done) = outcome("HTTP/1.1 204 No Content\r\n\r\n");
    assert_eq!(asked, "PUT /api/v1/appliances/labels/kettle HTTP/1.1");
    assert_eq!(done, Ok(Some(label(None, Some("Blue")))));

    let read = wattle_api::MessageConfirmation {
        id: "m-7".to_owned(),
    };
    commands.send(Command::Confirm(read)).unwrap();
    let (asked, done) = outcome("HTTP/1.1 200 OK\r\n\r\n{}");
    assert_eq!(asked, "POST /api/v1/messages/confirm HTTP/1.1");
    assert_eq!(done, Ok(None));

    commands.send(Command::SupplyOn).unwrap();
    let (asked, done) = outcome("HTTP/1.1 200 OK\r\n\r\n{}");
    assert_eq!(asked, "POST /api/v1/supply/on HTTP/1.1");
    assert_eq!(done, Ok(None));

    commands.send(label(None, None)).unwrap();
    let (_, done) =
        outcome("HTTP/1.1 400 Bad Request\r\n\r\n{\"error\":\"no appliance has this name\"}");
    assert_eq!(done, Err("no appliance has this name".to_owned()));
}
