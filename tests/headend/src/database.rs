//! PostgreSQL. A row's key holds its time too, so that the table can become a hypertable.

use anyhow::Context;
use tokio_postgres::{Client, NoTls, Transaction};
use wattle_relay::ack::{Ack, GAPS};
use wattle_relay::batch::Row;
use wattle_relay::cose;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS epoch_key (
    device text, epoch bigint, announcement bytea NOT NULL, PRIMARY KEY (device, epoch));
CREATE TABLE IF NOT EXISTS reading (
    device text, stream text, seq bigint, at timestamptz, unit smallint, value numeric,
    status smallint NOT NULL, captured_s integer NOT NULL, body text,
    PRIMARY KEY (device, stream, seq, at));
CREATE TABLE IF NOT EXISTS down (
    number bigserial PRIMARY KEY, device text NOT NULL, octets bytea NOT NULL);
CREATE TABLE IF NOT EXISTS progress (
    device text, stream text, through bigint NOT NULL, PRIMARY KEY (device, stream));";
/// Rows beyond the acknowledged that one look takes.
const AHEAD: i64 = 20_000;

/// A connection; the program ends when it is lost, and is started anew.
pub(crate) async fn connect(database: &str) -> anyhow::Result<Client> {
    let (client, connection) = tokio_postgres::connect(database, NoTls)
        .await
        .context("the database")?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("headend: the database: {error}");
            std::process::exit(1);
        }
    });
    // Two workers that start at once must not both make the tables.
    client
        .batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock(7); {SCHEMA} COMMIT;"
        ))
        .await?;
    Ok(client)
}

/// What is written of a batch.
pub(crate) enum Content {
    Rows {
        unit: u8,
        rows: Vec<Row>,
    },
    /// Rows that the gateway gave up.
    Shed,
    Text(String),
}

pub(crate) async fn write(
    db: &Transaction<'_>,
    context: &cose::Context,
    content: &Content,
) -> anyhow::Result<()> {
    let first = i64::try_from(context.first)?;
    let head = (&context.device, &context.stream);
    match content {
        Content::Rows { unit, rows } => {
            let seqs: Vec<i64> = (first..).take(rows.len()).collect();
            let times: Vec<i64> = rows.iter().map(|row| row.at_s).collect();
            let values: Vec<String> = rows.iter().map(|row| row.value.to_string()).collect();
            let statuses: Vec<i16> = rows.iter().map(|row| row.status.into()).collect();
            let captured: Vec<i32> = rows.iter().map(|row| row.captured_s).collect();
            db.execute(
                "INSERT INTO reading
                 SELECT $1, $2, seq, to_timestamp(at_s), $3, value::numeric, status, captured_s, NULL
                 FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::smallint[], $8::integer[])
                   AS new (seq, at_s, value, status, captured_s)
                 ON CONFLICT DO NOTHING",
                &[head.0, head.1, &i16::from(*unit), &seqs, &times, &values, &statuses, &captured],
            )
            .await?;
        }
        Content::Shed => {
            let last = i64::try_from(context.last)?;
            let shed = i16::from(wattle_relay::batch::status::SHED);
            db.execute(
                "INSERT INTO reading SELECT $1, $2, seq, to_timestamp(0), NULL, NULL, $5, 0, NULL
                 FROM generate_series($3::bigint, $4::bigint) AS seq ON CONFLICT DO NOTHING",
                &[head.0, head.1, &first, &last, &shed],
            )
            .await?;
        }
        Content::Text(text) => {
            db.execute(
                "INSERT INTO reading VALUES ($1, $2, $3, to_timestamp(0), NULL, NULL, 0, 0, $4) ON CONFLICT DO NOTHING",
                &[head.0, head.1, &first, text],
            )
            .await?;
        }
    }
    Ok(())
}

/// How far a stream is stored without a hole, and the holes beyond.
pub(crate) async fn progress(
    db: &Transaction<'_>,
    device: &str,
    stream: &str,
) -> anyhow::Result<Ack> {
    let known = db
        .query_opt(
            "SELECT through FROM progress WHERE device = $1 AND stream = $2",
            &[&device, &stream],
        )
        .await?;
    let mut through: i64 = known.map_or(0, |row| row.get(0));
    let beyond = db
        .query(
            "SELECT DISTINCT seq FROM reading WHERE device = $1 AND stream = $2 AND seq > $3 ORDER BY seq LIMIT $4",
            &[&device, &stream, &through, &AHEAD],
        )
        .await?;
    let mut gaps = Vec::new();
    let mut last = through;
    for row in beyond {
        let seq: i64 = row.get(0);
        if seq == last + 1 {
            if gaps.is_empty() {
                through = seq;
            }
        } else if gaps.len() < GAPS {
            gaps.push((u64::try_from(last + 1)?, u64::try_from(seq - 1)?));
        }
        last = seq;
    }
    db.execute(
        "INSERT INTO progress VALUES ($1, $2, $3)
         ON CONFLICT (device, stream) DO UPDATE SET through = greatest(progress.through, excluded.through)",
        &[&device, &stream, &through],
    )
    .await?;
    Ok(Ack {
        through: u64::try_from(through)?,
        gaps,
    })
}
