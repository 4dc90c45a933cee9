//! PostgreSQL. A row's key holds its time too, so that the table can become a hypertable.

use anyhow::Context;
use tokio_postgres::{Client, NoTls, Transaction};
use wattle_relay::ack::{Ack, GAPS};
use wattle_relay::batch::{self, status};
use wattle_relay::command::RESULT;
use wattle_relay::cose::Opened;

/// Two workers that start at once must not both make the tables.
const SCHEMA: &str = "SELECT pg_advisory_xact_lock(7);
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
/// Format of the news that rows were given up.
const SHED: u16 = 65_004;
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
    // As one transaction.
    client.batch_execute(SCHEMA).await?;
    Ok(client)
}

/// Writes what a message holds: readings, the result of a command, or that rows were given up.
pub(crate) async fn write(db: &Transaction<'_>, opened: &Opened) -> anyhow::Result<()> {
    let (context, payload) = (&opened.context, &opened.payload);
    let (device, stream) = (&context.device, &context.stream);
    let (first, last) = (i64::try_from(context.first)?, i64::try_from(context.last)?);
    if matches!(opened.format, Some(SHED | RESULT)) {
        let is_shed = opened.format == Some(SHED);
        let status = if is_shed { i16::from(status::SHED) } else { 0 };
        let text = (!is_shed).then(|| String::from_utf8_lossy(payload).into_owned());
        db.execute(
            "INSERT INTO reading SELECT $1, $2, seq, to_timestamp(0), NULL, NULL, $5, 0, $6
             FROM generate_series($3::bigint, $4::bigint) AS seq ON CONFLICT DO NOTHING",
            &[device, stream, &first, &last, &status, &text],
        )
        .await?;
        return Ok(());
    }
    let count = context.last - context.first + 1;
    let (unit, rows) = batch::decode(opened.format, payload, count)?;
    let unit = i16::from(unit);
    let seq: Vec<i64> = (first..).take(rows.len()).collect();
    let at: Vec<i64> = rows.iter().map(|row| row.at_s).collect();
    let value: Vec<String> = rows.iter().map(|row| row.value.to_string()).collect();
    let status: Vec<i16> = rows.iter().map(|row| row.status.into()).collect();
    let took: Vec<i32> = rows.iter().map(|row| row.captured_s).collect();
    db.execute(
        "INSERT INTO reading
         SELECT $1, $2, seq, to_timestamp(at_s), $3, value::numeric, status, captured_s, NULL
         FROM unnest($4::bigint[], $5::bigint[], $6::text[], $7::smallint[], $8::integer[])
           AS new (seq, at_s, value, status, captured_s)
         ON CONFLICT DO NOTHING",
        &[device, stream, &unit, &seq, &at, &value, &status, &took],
    )
    .await?;
    Ok(())
}

/// How far a stream is stored without a hole, and the holes beyond.
pub(crate) async fn progress(
    db: &Transaction<'_>,
    device: &str,
    stream: &str,
) -> anyhow::Result<Ack> {
    let select = "SELECT through FROM progress WHERE device = $1 AND stream = $2";
    let known = db.query_opt(select, &[&device, &stream]).await?;
    let known = known.map_or(0, |row| row.get::<_, i64>(0));
    // Stretches without a hole: what they have in common is how far each row is from its place.
    let select = "
        SELECT min(seq), max(seq) FROM (
            SELECT seq, seq - row_number() OVER (ORDER BY seq) AS stretch FROM (
                SELECT DISTINCT seq FROM reading WHERE device = $1 AND stream = $2 AND seq > $3
                ORDER BY seq LIMIT $4) AS beyond) AS placed
        GROUP BY stretch ORDER BY 1";
    let (mut through, mut last) = (known, known);
    let mut gaps = Vec::new();
    let rows = db
        .query(select, &[&device, &stream, &known, &AHEAD])
        .await?;
    for row in rows {
        let (from, to): (i64, i64) = (row.get(0), row.get(1));
        if from == known + 1 {
            through = to;
        } else if gaps.len() < GAPS {
            gaps.push((u64::try_from(last + 1)?, u64::try_from(from - 1)?));
        }
        last = to;
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
