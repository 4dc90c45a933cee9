//! The tariff of the moment: its file and the price documents that it names, read again when they
//! change or when new ones are published.
//!
//! Documents come from the file that the tariff names, from a folder, over HTTP(S) or over MQTT.
//! Fetched ones are kept in `prices/` beside the database, so that a restart without a network
//! knows what was known, and so that a month's bill knows its first day. Where two documents speak
//! of the same time, the newer one counts. A document that cannot be read changes nothing.

mod cache;
mod fetch;
pub(crate) mod told;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use jiff::tz::TimeZone;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use wattle_api::{Consent, RecipientKind};
use wattle_billing::tariff::{LoadOptions, Tariff, TariffError};
use wattle_billing::toml_file::{self, FileError};

use crate::clock::SharedClock;
use crate::config::TariffConfig;
use crate::files;
use crate::store::ledger::Sent;
use crate::store::{Ledger, Readers};
use crate::supervisor::Pulse;
use cache::Cache;

/// How often files and folders are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// First pause after a fetch that failed; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);

/// Pause between two warnings about documents.
const COMPLAIN_EVERY: Duration = Duration::from_secs(60);

/// The tariff of the moment, if there is one.
pub type Current = watch::Receiver<Option<Arc<Tariff>>>;

/// What the part works with.
#[derive(Clone)]
pub struct Settings {
    /// The configuration.
    pub config: TariffConfig,
    /// Folder of the database.
    pub folder: PathBuf,
    /// Configured name of the electricity meter at the grid.
    pub grid: Option<String>,
    /// The home's time zone.
    pub zone: TimeZone,
    /// The wall clock.
    pub clock: SharedClock,
    /// Says that files have changed.
    pub nudge: Arc<Notify>,
    /// Whether price servers may be asked, and where it is kept that they were; everything and
    /// nowhere when left out.
    pub privacy: Option<Privacy>,
}

/// What price servers may learn, and what they have learnt.
#[derive(Clone)]
pub struct Privacy {
    /// Who got what.
    pub ledger: Ledger,
    /// What the household allows.
    pub consents: watch::Receiver<Vec<Consent>>,
}

/// Name of a tariff that was uploaded, in the folder of the database.
const UPLOADED: &str = "tariff.toml";

impl Settings {
    /// The tariff from what is on disk now.
    ///
    /// # Errors
    /// The tariff's file or its document cannot be used. A tariff whose documents are fetched and
    /// of which none has come yet is `None`.
    pub fn load(&self) -> Result<Option<Tariff>, TariffError> {
        self.load_from(self.file().as_deref())
    }

    /// Where an uploaded tariff stands, if there is one.
    #[must_use]
    pub fn uploaded(&self) -> PathBuf {
        self.folder.join(UPLOADED)
    }

    /// The tariff's file: the uploaded one, or else the configured one.
    fn file(&self) -> Option<PathBuf> {
        let uploaded = self.uploaded();
        if uploaded.exists() {
            return Some(uploaded);
        }
        self.config.file.clone()
    }

    /// Reads a tariff that is not in force.
    ///
    /// # Errors
    /// [`TariffError`] names the line and the rule.
    pub fn candidate(&self, text: &str) -> Result<Option<Tariff>, TariffError> {
        // Another folder than that of the database: two may try one at the same time.
        let unreadable = |source| {
            TariffError::File(FileError::Unreadable {
                path: self.folder.clone(),
                source,
            })
        };
        let folder = self
            .folder
            .join(format!("tariff-{:?}.tmp", std::thread::current().id()));
        std::fs::create_dir_all(&folder).map_err(unreadable)?;
        let path = folder.join(UPLOADED);
        let loaded = std::fs::write(&path, text)
            .map_err(unreadable)
            .and_then(|()| self.load_from(Some(&path)));
        let _ = std::fs::remove_dir_all(&folder);
        loaded
    }

    /// Puts a tariff in the place of the configured one.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn upload(&self, text: &str) -> std::io::Result<()> {
        files::replace(&self.uploaded(), text.as_bytes(), files::For::All)?;
        self.nudge.notify_one();
        Ok(())
    }

    /// Takes a price document of the tariff's form; true when it changed something.
    ///
    /// # Errors
    /// In words: there is no tariff for such documents, it is none, or it could not be kept.
    pub fn take_document(&self, document: &str) -> Result<bool, String> {
        if !self.config.is_fetched() {
            return Err("no tariff here is made of price documents that come".to_owned());
        }
        let changed = self.cache_document(document)?;
        if changed {
            self.nudge.notify_one();
        }
        Ok(changed)
    }

    /// Puts a document into the cache if it is one of the tariff's form; true when it was not there.
    fn cache_document(&self, document: &str) -> Result<bool, String> {
        let file = self.file().ok_or("there is no tariff")?;
        let tariff = self
            .with_document(&file, document)
            .map_err(|error| error.to_string())?;
        let start = tariff.published_from().map(|(start, _)| start);
        let kept = self.cache().keep(start, document, self.clock.now());
        kept.map_err(|error| format!("it could not be kept: {error}"))
    }

    /// Goes back to the configured tariff.
    ///
    /// # Errors
    /// The disk cannot be written.
    pub fn forget(&self) -> std::io::Result<()> {
        std::fs::remove_file(self.uploaded())?;
        self.nudge.notify_one();
        Ok(())
    }

    fn load_from(&self, file: Option<&Path>) -> Result<Option<Tariff>, TariffError> {
        let Some(file) = file else {
            return Ok(None);
        };
        if !self.config.is_fetched() {
            return crate::tariff::load(file, &self.zone).map(Some);
        }
        let mut documents = self.cache().documents();
        documents.extend(self.folder_documents());
        documents.extend(self.told());
        let mut tariff: Option<Tariff> = None;
        for document in documents {
            match self.with_document(file, &document) {
                Ok(newer) => match &mut tariff {
                    Some(tariff) => tariff.renew(newer),
                    None => tariff = Some(newer),
                },
                // One bad document must not take the good ones with it.
                Err(error @ TariffError::Document { .. }) => {
                    tracing::warn!(%error, "a price document is passed over");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(tariff)
    }

    fn with_document(&self, file: &std::path::Path, document: &str) -> Result<Tariff, TariffError> {
        let options = LoadOptions {
            fallback_zone: Some(self.zone.iana_name().unwrap_or("UTC").to_owned()),
            ..LoadOptions::default()
        };
        let open = |_: &std::path::Path| -> Result<String, FileError> { Ok(document.to_owned()) };
        let tariff = wattle_billing::tariff::parse(&toml_file::read(file)?, file, &options, &open)?;
        crate::tariff::with_currency(tariff, file)
    }

    /// What the meter tells, where the tariff follows it.
    fn told(&self) -> Option<String> {
        let grid = self.grid.as_ref().filter(|_| self.config.meter)?;
        let readers = Readers::of(&self.folder);
        match told::document(&readers, grid) {
            Ok(document) => document,
            Err(error) => {
                tracing::debug!(%error, "what the meter told of its tariff cannot be read");
                None
            }
        }
    }

    /// Documents of the folder, the one that changed last at the end.
    fn folder_documents(&self) -> Vec<String> {
        let files = self.folder_files();
        let mut ordered: Vec<(&PathBuf, &SystemTime)> = files.iter().collect();
        ordered.sort_by_key(|(path, changed)| (**changed, (*path).clone()));
        let read = |(path, _): (&PathBuf, &SystemTime)| cache::read(path);
        ordered.into_iter().filter_map(read).collect()
    }

    fn folder_files(&self) -> BTreeMap<PathBuf, SystemTime> {
        let entries = self
            .config
            .folder
            .as_deref()
            .and_then(|folder| std::fs::read_dir(folder).ok());
        let changed = |entry: std::fs::DirEntry| {
            let about = entry.metadata().ok().filter(std::fs::Metadata::is_file)?;
            Some((entry.path(), about.modified().ok()?))
        };
        entries
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .filter_map(changed)
            .collect()
    }

    /// What of the disk the tariff is made of, so that a change is seen.
    fn fingerprint(&self) -> BTreeMap<PathBuf, SystemTime> {
        let mut files = self.folder_files();
        let file = self.file();
        let own = file.iter().cloned();
        let own = own.chain(file.as_deref().and_then(document_of));
        for file in own {
            let changed = std::fs::metadata(&file).and_then(|about| about.modified());
            files.extend(changed.ok().map(|changed| (file, changed)));
        }
        files
    }

    fn may_ask(&self) -> bool {
        let Some(privacy) = &self.privacy else {
            return true;
        };
        crate::records::allows(&privacy.consents.borrow(), RecipientKind::Prices)
    }

    fn tell_ledger(&self) {
        let Some(privacy) = &self.privacy else {
            return;
        };
        for url in &self.config.urls {
            let host = url.split('/').nth(2).unwrap_or_default();
            // A name and a password may stand before the host.
            let host = host.rsplit('@').next().unwrap_or_default();
            privacy.ledger.note(&Sent {
                kind: RecipientKind::Prices,
                recipient: host,
                fields: "nothing measured; that somebody here asks for prices",
                resolution: "each time prices are fetched",
                at: self.clock.now(),
            });
        }
    }

    fn cache(&self) -> Cache {
        Cache::new(self.folder.join("prices"))
    }
}

/// The document that a tariff's file names.
fn document_of(file: &std::path::Path) -> Option<PathBuf> {
    let table: toml::Table = toml_file::read(file).ok()?.parse().ok()?;
    let named = table.get("source")?.get("file")?.as_str()?;
    Some(crate::config::beside(file, std::path::Path::new(named)))
}

/// Keeps `out` at the present tariff until told to stop. `pushed` brings documents of MQTT.
///
/// # Errors
/// The configuration cannot be used.
pub async fn run(
    settings: Settings,
    out: watch::Sender<Option<Arc<Tariff>>>,
    pushed: Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>,
    pulse: Pulse,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut pushed = pushed.lock().await;
    let mut fetcher = fetch::Fetcher::new(&settings.config)?;
    let complaints = Complaints::default();
    let mut known = settings.fingerprint();
    let mut told = settings.told();
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut look_at, mut fetch_at) = (Instant::now() + LOOK_EVERY, Instant::now());
    let mut pause = FIRST_PAUSE;
    loop {
        let mut renew = false;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = settings.nudge.notified() => {
                known = settings.fingerprint();
                renew = true;
            }
            document = pushed.recv() => match document {
                Some(document) => renew = keep(&settings, &complaints, document).await?,
                None => return Ok(()),
            },
            _ = tick.tick() => {
                pulse.beat();
                let now = Instant::now();
                if now >= look_at {
                    look_at = now + LOOK_EVERY;
                    let present = settings.fingerprint();
                    let own = settings.clone();
                    let newer = tokio::task::spawn_blocking(move || own.told()).await?;
                    renew = present != known || newer != told;
                    (known, told) = (present, newer);
                }
                if !settings.config.urls.is_empty() && now >= fetch_at && settings.may_ask() {
                    let today = settings.clock.now().to_zoned(settings.zone.clone());
                    let fetched = tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        fetched = fetcher.fetch_all(&settings.config.urls, &today, &pulse) => fetched,
                    };
                    settings.tell_ledger();
                    fetch_at = now + if fetched.failed {
                        let wait = pause;
                        pause = (pause * 2).min(LONGEST_PAUSE);
                        wait
                    } else {
                        pause = FIRST_PAUSE;
                        Duration::from_secs(u64::from(settings.config.every_s))
                    };
                    for document in fetched.documents {
                        renew |= keep(&settings, &complaints, document).await?;
                    }
                }
            }
        }
        if renew {
            let own = settings.clone();
            match tokio::task::spawn_blocking(move || own.load()).await? {
                Ok(tariff) => {
                    out.send_replace(tariff.map(Arc::new));
                }
                Err(error) => tracing::error!(%error, "the tariff stays as it was"),
            }
        }
    }
}

/// Documents that are no good, logged at most once a minute: whoever publishes them may do so all day.
#[derive(Clone, Default)]
struct Complaints(Arc<Mutex<(Option<Instant>, u64)>>);

impl Complaints {
    /// How many were kept to oneself since the last, when it is time for another.
    fn may(&self, now: Instant) -> Option<u64> {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, unsaid) = &mut *guard;
        if last.is_some_and(|last| now.duration_since(last) < COMPLAIN_EVERY) {
            *unsaid = unsaid.saturating_add(1);
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(unsaid))
    }
}

/// Puts a document into the cache if it is one of the tariff's form; true when it was.
async fn keep(
    settings: &Settings,
    complaints: &Complaints,
    document: String,
) -> anyhow::Result<bool> {
    let (settings, complaints) = (settings.clone(), complaints.clone());
    let work = move || match settings.cache_document(&document) {
        Ok(changed) => changed,
        Err(error) => {
            if let Some(unsaid) = complaints.may(Instant::now()) {
                tracing::warn!(error, unsaid, "a price document is passed over");
            }
            false
        }
    };
    Ok(tokio::task::spawn_blocking(work).await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use jiff::Timestamp;
    use rust_decimal::Decimal;

    #[derive(Debug)]
    struct Fixed;

    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(1_772_323_200).unwrap()
        }
    }

    const TARIFF: &str = "version = 1\nname = \"t\"\ncurrency = \"EUR\"\nzone = \"UTC\"\n[source]\nformat = \"awattar\"\nfile = \"now.json\"\n";

    fn document(hour: i64, price: i64) -> String {
        let at = |hour: i64| (1_772_323_200 + hour * 3600) * 1000;
        format!(
            r#"{{"data":[{{"start_timestamp":{},"end_timestamp":{},"marketprice":{price},"unit":"Eur/MWh"}}]}}"#,
            at(hour),
            at(hour + 1)
        )
    }

    fn per_kwh(tariff: &Tariff, hour: i64) -> Option<Decimal> {
        tariff.per_kwh(Timestamp::from_second(1_772_323_200 + hour * 3600).unwrap())
    }

    fn settings(folder: &std::path::Path, config: TariffConfig) -> Settings {
        std::fs::write(folder.join("tariff.toml"), TARIFF).unwrap();
        Settings {
            config: TariffConfig {
                file: Some(folder.join("tariff.toml")),
                ..config
            },
            folder: folder.to_path_buf(),
            grid: None,
            zone: TimeZone::UTC,
            clock: Arc::new(Fixed),
            nudge: Arc::default(),
            privacy: None,
        }
    }

    #[test]
    fn documents_of_a_folder_add_up_and_bad_ones_are_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("in");
        std::fs::create_dir(&folder).unwrap();
        let own = settings(
            home.path(),
            TariffConfig {
                folder: Some(folder.clone()),
                ..TariffConfig::default()
            },
        );
        assert!(own.load().unwrap().is_none());
        let before = own.fingerprint();
        std::fs::write(folder.join("a.json"), document(0, 100)).unwrap();
        std::fs::write(folder.join("b.json"), document(1, 200)).unwrap();
        std::fs::write(folder.join("c.json"), "{").unwrap();
        assert_ne!(own.fingerprint(), before);
        let tariff = own.load().unwrap().unwrap();
        assert_eq!(per_kwh(&tariff, 0), Some(Decimal::new(1, 1)));
        assert_eq!(per_kwh(&tariff, 1), Some(Decimal::new(2, 1)));
        assert_eq!(per_kwh(&tariff, 2), None);
    }

    #[tokio::test]
    async fn pushed_documents_are_followed_and_outlive_a_restart() {
        let home = tempfile::tempdir().unwrap();
        let own = settings(
            home.path(),
            TariffConfig {
                topic: Some("prices".to_owned()),
                ..TariffConfig::default()
            },
        );
        let quiet = Complaints::default();
        assert!(keep(&own, &quiet, document(0, 100)).await.unwrap());
        assert!(!keep(&own, &quiet, document(0, 100)).await.unwrap());
        assert!(!keep(&own, &quiet, "nonsense".to_owned()).await.unwrap());
        assert!(keep(&own, &quiet, document(1, 300)).await.unwrap());
        assert!(keep(&own, &quiet, document(0, 150)).await.unwrap());
        let tariff = own.load().unwrap().unwrap();
        assert_eq!(per_kwh(&tariff, 0), Some(Decimal::new(15, 2)));
        assert_eq!(per_kwh(&tariff, 1), Some(Decimal::new(3, 1)));
    }

    #[test]
    fn bad_documents_are_logged_once_a_minute() {
        let complaints = Complaints::default();
        let start = Instant::now();
        let at = |seconds| complaints.may(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(0));
        assert_eq!((at(1), at(59)), (None, None));
        assert_eq!(at(60), Some(2));
        assert_eq!(at(61), None);
    }
}
