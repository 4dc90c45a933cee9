//! `--format table`: one line per telegram, for people.

use std::fmt::Write as _;

use super::report::Report;

/// Writes a report as a line.
pub(super) fn write(line: &mut String, report: &Report<'_>) {
    let id = report
        .id
        .map_or_else(|| "-".to_owned(), |id| id.to_string());
    let maker = report
        .manufacturer
        .map_or_else(|| "-".to_owned(), |maker| maker.to_string());
    let medium = report.medium.as_deref().unwrap_or("-");
    let security = report.security.map_or_else(
        || "-".to_owned(),
        |security| format!("{}/{}", security.mode.name(), security.proof.name()),
    );
    let headline = report
        .reading
        .as_ref()
        .and_then(|reading| reading.headline.as_ref())
        .map_or_else(
            || "-".to_owned(),
            |headline| format!("{} {}", headline.value, headline.unit),
        );
    let name = report.name.as_deref().unwrap_or("");
    let status = report.status();
    let _ = write!(
        line,
        "{id:8}  {maker:3}  {medium:22}  {security:13}  {headline:>20}  {status:12}  {name}"
    );
    if let Some(failure) = &report.failure {
        let _ = write!(line, "{}", failure.reason);
    }
    line.truncate(line.trim_end().len());
}
