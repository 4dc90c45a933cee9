//! Who may use the gateway over the network: users, their sessions and tokens, and pairing.
//!
//! There is no default user and no default password. The first user, and every further one, is made
//! with a code of eight digits that only somebody at the display, or with a shell on the gateway,
//! can see. It is good once and for ten minutes, and void after five wrong tries. Tokens and the
//! keys of sessions are random and kept as SHA-256; passwords are kept as Argon2id.
//!
//! All of it stands in `access.json` beside the database, so that a copy of the database lets
//! nobody in.

mod book;
mod lockout;
mod secret;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use wattle_api::{
    Caller, Grant, IssuedToken, Login, NewToken, Pair, Pairing, Role, SecretText, User, WebAccess,
};

use crate::clock::SharedClock;
use book::{Book, KeptGrant, KeptUser};
use lockout::Lockout;

/// How long a code is good.
const PAIRING: SignedDuration = SignedDuration::from_mins(10);
/// How many wrong codes void the right one.
const TRIES: u8 = 5;
const USERS: usize = 32;
const GRANTS: usize = 512;

/// Why somebody is not let in, or something is not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AccessError {
    /// Name and password do not belong together, or the code is wrong.
    #[error("the name, the password or the code is wrong")]
    Refused,
    /// Too many wrong tries.
    #[error("too many wrong tries; wait {0} seconds and try again")]
    Locked(u64),
    /// A rule about what was sent.
    #[error("{0}")]
    Rule(&'static str),
    /// There is no such user or token.
    #[error("there is no such user or token")]
    Unknown,
    /// More than the caller may do.
    #[error("this needs another role")]
    Role,
    /// The file could not be written, or there are no random numbers.
    #[error("it could not be kept: {0}")]
    Kept(String),
}

/// How long a session lasts: unused, and at all.
const fn session_life(role: Role) -> (SignedDuration, SignedDuration) {
    match role {
        Role::Household => (
            SignedDuration::from_hours(72),
            SignedDuration::from_hours(30 * 24),
        ),
        Role::Installer | Role::Metrics => {
            (SignedDuration::from_mins(10), SignedDuration::from_hours(8))
        }
    }
}

/// Access. Clones are the same.
#[derive(Clone)]
pub struct Access(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    clock: SharedClock,
    inner: Mutex<Inner>,
    web: watch::Sender<WebAccess>,
}

struct Inner {
    book: Book,
    pairing: Option<OpenPairing>,
    lockout: Lockout,
}

struct OpenPairing {
    code: String,
    role: Role,
    expires_at: Timestamp,
    wrong: u8,
}

/// Somebody who was let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// Who.
    pub caller: Caller,
    /// The grant that let them in.
    pub grant: String,
    /// True for the cookie of a session.
    pub session: bool,
}

/// A session that was made: the cookie's value and who it is for.
#[derive(Debug)]
pub struct Session {
    /// The cookie's value.
    pub key: SecretText,
    /// Who.
    pub caller: Caller,
    /// Seconds until it ends at the latest.
    pub seconds: i64,
}

impl Access {
    /// Reads what is kept in `folder`.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn open(folder: PathBuf, clock: SharedClock) -> anyhow::Result<Self> {
        let book = book::load(&folder)?;
        let web = WebAccess {
            users: book.users.len(),
            ..WebAccess::default()
        };
        let inner = Inner {
            book,
            pairing: None,
            lockout: Lockout::default(),
        };
        Ok(Self(Arc::new(Shared {
            folder,
            clock,
            inner: Mutex::new(inner),
            web: watch::Sender::new(web),
        })))
    }

    /// How the gateway is reached, with the code of an open pairing: for its own socket alone.
    #[must_use]
    pub fn web(&self) -> watch::Receiver<WebAccess> {
        self.0.web.subscribe()
    }

    /// Tells where the web page is, or that it is switched off.
    pub fn reached_at(&self, urls: Vec<String>, fingerprint: Option<String>) {
        self.0.web.send_modify(|web| {
            web.urls = urls;
            web.fingerprint = fingerprint;
        });
        self.tell(&self.inner());
    }

    /// Once a second: takes back a pairing whose time is over. As long as there is no user, one is
    /// always open, so that the display of a new gateway shows how to begin.
    pub fn tick(&self) {
        let now = self.now();
        let mut inner = self.inner();
        let over = |open: &OpenPairing| open.expires_at <= now;
        let changed = inner.pairing.as_ref().is_some_and(over);
        if changed {
            inner.pairing = None;
        }
        let first = inner.book.users.is_empty() && inner.pairing.is_none();
        if first && let Ok(code) = secret::code() {
            inner.pairing = Some(OpenPairing::new(code, Role::Household, now));
        }
        if changed || first {
            self.tell(&inner);
        }
    }

    /// Opens a pairing in the place of an earlier one.
    ///
    /// # Errors
    /// The role is none for people, or there are no random numbers.
    pub fn open_pairing(&self, role: Role) -> Result<Pairing, AccessError> {
        if role == Role::Metrics {
            return Err(AccessError::Rule(
                "a user is household or installer; metrics is for tokens",
            ));
        }
        let code = secret::code().map_err(kept)?;
        let mut inner = self.inner();
        inner.pairing = Some(OpenPairing::new(code, role, self.now()));
        self.tell(&inner);
        drop(inner);
        let pairing = self.0.web.borrow().pairing.clone();
        pairing.ok_or(AccessError::Unknown)
    }

    /// Takes an open pairing back.
    pub fn close_pairing(&self) {
        let mut inner = self.inner();
        inner.pairing = None;
        self.tell(&inner);
    }

    /// Makes a user with the code of the open pairing, and a session. Slow by intention: it belongs
    /// on a thread for blocking work.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn pair(&self, asked: &Pair, peer: &str) -> Result<Session, AccessError> {
        check_name(&asked.name)?;
        check_password(&asked.password)?;
        let now = self.now();
        self.inner().lockout.admits(peer, now)?;
        let password = secret::hash_password(&asked.password.0).map_err(kept)?;
        let said: String = asked.code.0.chars().filter(char::is_ascii_digit).collect();
        let mut inner = self.inner();
        let right = inner.pairing.as_ref().is_some_and(|open| {
            open.expires_at > now && bool::from(open.code.as_bytes().ct_eq(said.as_bytes()))
        });
        if !right {
            inner.lockout.failed(peer, now);
            let void = inner.pairing.as_mut().is_some_and(|open| {
                open.wrong = open.wrong.saturating_add(1);
                open.wrong >= TRIES
            });
            if void {
                inner.pairing = None;
                self.tell(&inner);
            }
            return Err(AccessError::Refused);
        }
        if inner.book.users.contains_key(&asked.name) {
            return Err(AccessError::Rule("there is a user of this name already"));
        }
        if inner.book.users.len() >= USERS {
            return Err(AccessError::Rule("there are 32 users already; remove one"));
        }
        let open = inner.pairing.take();
        let role = open.map_or(Role::Installer, |open| open.role);
        inner.lockout.succeeded(peer);
        let user = KeptUser {
            role,
            made_at: now,
            password,
        };
        inner.book.users.insert(asked.name.clone(), user);
        let session = self.new_session(&mut inner, &asked.name, role, now);
        self.tell(&inner);
        session
    }

    /// Makes a session for a name and its password. Slow by intention.
    ///
    /// # Errors
    /// [`AccessError`].
    pub fn login(&self, asked: &Login, peer: &str) -> Result<Session, AccessError> {
        let now = self.now();
        let name_key = format!("name:{}", asked.name.chars().take(40).collect::<String>());
        let known = {
            let inner = self.inner();
            inner.lockout.admits(peer, now)?;
            inner.lockout.admits(&name_key, now)?;
            inner.book.users.get(&asked.name).cloned()
        };
        // A name that does not exist takes as long as one that does.
        let stored = known
            .as_ref()
            .map_or_else(secret::nobody, |user| user.password.clone());
        let right = secret::check_password(&asked.password.0, &stored);
        let mut inner = self.inner();
        let user = known.filter(|_| right && inner.book.users.contains_key(&asked.name));
        let Some(user) = user else {
            inner.lockout.failed(peer, now);
            inner.lockout.failed(&name_key, now);
            return Err(AccessError::Refused);
        };
        inner.lockout.succeeded(peer);
        inner.lockout.succeeded(&name_key);
        self.new_session(&mut inner, &asked.name, user.role, now)
    }

    /// Lets in whoever shows the key of a session or a token.
    #[must_use]
    pub fn admit(&self, key: &str, session: bool) -> Option<Admitted> {
        let hash = secret::hash_key(key);
        let now = self.now();
        let mut inner = self.inner();
        let of_key =
            |(_, grant): &(&String, &mut KeptGrant)| grant.session == session && grant.hash == hash;
        let (id, grant) = inner.book.grants.iter_mut().find(of_key)?;
        let id = id.clone();
        let idle = session_life(grant.role).0;
        let unused = grant.used_at.saturating_add(idle).unwrap_or(grant.used_at);
        if grant.expires_at <= now || (session && unused <= now) {
            inner.book.grants.remove(&id);
            self.keep_quietly(&inner);
            return None;
        }
        let admitted = Admitted {
            caller: Caller {
                name: grant.user.clone(),
                role: grant.role,
                expires_at: Some(grant.expires_at),
            },
            grant: id,
            session,
        };
        if now.duration_since(grant.used_at) >= SignedDuration::from_mins(1) {
            grant.used_at = now;
            // The disk is spared: an hour of it may be lost with a restart.
            if now.duration_since(inner.book.saved_at) >= SignedDuration::from_hours(1) {
                inner.book.saved_at = now;
                self.keep_quietly(&inner);
            }
        }
        Some(admitted)
    }

    /// Every user.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        let user = |(name, user): (&String, &KeptUser)| User {
            name: name.clone(),
            role: user.role,
            made_at: user.made_at,
        };
        self.inner().book.users.iter().map(user).collect()
    }

    /// Removes a user with all its sessions and tokens.
    ///
    /// # Errors
    /// There is no such user, or it could not be kept.
    pub fn remove_user(&self, name: &str) -> Result<(), AccessError> {
        let mut inner = self.inner();
        let removed = inner.book.users.remove(name);
        removed.ok_or(AccessError::Unknown)?;
        inner.book.grants.retain(|_, grant| grant.user != name);
        self.keep(&inner)?;
        self.tell(&inner);
        Ok(())
    }

    /// Sessions and tokens, those of one user or all.
    #[must_use]
    pub fn grants(&self, user: Option<&str>) -> Vec<Grant> {
        let inner = self.inner();
        let of = |(_, grant): &(&String, &KeptGrant)| user.is_none_or(|user| grant.user == user);
        let grants = inner.book.grants.iter().filter(of);
        grants.map(|(id, grant)| grant.told(id)).collect()
    }

    /// Makes a token for a caller.
    ///
    /// # Errors
    /// A rule is broken, or it could not be kept.
    pub fn issue(&self, caller: &Caller, asked: &NewToken) -> Result<IssuedToken, AccessError> {
        let label = asked.label.trim();
        if label.is_empty() || label.chars().count() > 60 || label.chars().any(char::is_control) {
            return Err(AccessError::Rule("a label has 1 to 60 characters"));
        }
        if !(1..=3660).contains(&asked.days) {
            return Err(AccessError::Rule("a token is good for 1 to 3660 days"));
        }
        let within = asked.role == caller.role
            || asked.role == Role::Metrics
            || caller.role == Role::Household;
        if !within {
            return Err(AccessError::Role);
        }
        let now = self.now();
        let life = SignedDuration::from_hours(24 * i64::from(asked.days));
        let mut inner = self.inner();
        let (key, id) = insert(
            &mut inner.book,
            KeptGrant {
                hash: String::new(),
                user: caller.name.clone(),
                role: asked.role,
                label: label.to_owned(),
                session: false,
                made_at: now,
                used_at: now,
                expires_at: now.saturating_add(life).unwrap_or(now),
            },
        )?;
        self.keep(&inner)?;
        let grant = inner.book.grants.get(&id).map(|grant| grant.told(&id));
        Ok(IssuedToken {
            token: SecretText(key),
            grant: grant.ok_or(AccessError::Unknown)?,
        })
    }

    /// Takes a session or token back. `user` is whose it must be, if not anybody's.
    ///
    /// # Errors
    /// There is none, or it could not be kept.
    pub fn revoke(&self, id: &str, user: Option<&str>) -> Result<(), AccessError> {
        let mut inner = self.inner();
        let grant = inner.book.grants.get(id).ok_or(AccessError::Unknown)?;
        if user.is_some_and(|user| user != grant.user) {
            return Err(AccessError::Unknown);
        }
        inner.book.grants.remove(id);
        self.keep(&inner)
    }

    fn new_session(
        &self,
        inner: &mut Inner,
        name: &str,
        role: Role,
        now: Timestamp,
    ) -> Result<Session, AccessError> {
        let life = session_life(role).1;
        let expires_at = now.saturating_add(life).unwrap_or(now);
        let (key, _) = insert(
            &mut inner.book,
            KeptGrant {
                hash: String::new(),
                user: name.to_owned(),
                role,
                label: "browser".to_owned(),
                session: true,
                made_at: now,
                used_at: now,
                expires_at,
            },
        )?;
        self.keep(inner)?;
        Ok(Session {
            key: SecretText(key),
            caller: Caller {
                name: name.to_owned(),
                role,
                expires_at: Some(expires_at),
            },
            seconds: life.as_secs(),
        })
    }

    /// Says what has changed to whoever shows it.
    fn tell(&self, inner: &Inner) {
        let users = inner.book.users.len();
        self.0.web.send_if_modified(|web| {
            let first = web.urls.first();
            let pairing = inner.pairing.as_ref().map(|open| Pairing {
                code: SecretText(open.code.clone()),
                role: open.role,
                expires_at: open.expires_at,
                url: first.map(|url| SecretText(format!("{url}setup#{}", open.code))),
            });
            let changed = web.users != users || web.pairing != pairing;
            web.users = users;
            web.pairing = pairing;
            changed
        });
    }

    fn keep(&self, inner: &Inner) -> Result<(), AccessError> {
        book::save(&self.0.folder, &inner.book).map_err(|error| kept(format!("{error:#}")))
    }

    fn keep_quietly(&self, inner: &Inner) {
        if let Err(error) = self.keep(inner) {
            tracing::warn!(%error, "when tokens were used last is not kept");
        }
    }

    fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenPairing {
    fn new(code: String, role: Role, now: Timestamp) -> Self {
        Self {
            code,
            role,
            expires_at: now.saturating_add(PAIRING).unwrap_or(now),
            wrong: 0,
        }
    }
}

/// Puts a grant into the book; gives its key and its identifier. The oldest session makes room.
fn insert(book: &mut Book, mut grant: KeptGrant) -> Result<(String, String), AccessError> {
    let key = secret::key().map_err(kept)?;
    grant.hash = secret::hash_key(&key);
    book.grants
        .retain(|_, other| other.expires_at > grant.made_at);
    if book.grants.len() >= GRANTS {
        let sessions = book.grants.iter().filter(|(_, other)| other.session);
        let oldest = sessions.min_by_key(|(_, other)| other.used_at);
        let oldest = oldest.map(|(id, _)| id.clone());
        let oldest = oldest.ok_or(AccessError::Rule("there are 512 tokens; take some back"))?;
        book.grants.remove(&oldest);
    }
    let id = secret::id().map_err(kept)?;
    book.grants.insert(id.clone(), grant);
    Ok((key, id))
}

fn check_name(name: &str) -> Result<(), AccessError> {
    let forbidden = |letter: char| letter.is_control() || letter == '/';
    if (1..=40).contains(&name.chars().count())
        && name.trim() == name
        && !name.chars().any(forbidden)
    {
        return Ok(());
    }
    Err(AccessError::Rule(
        "a name has 1 to 40 characters, none of them a slash, and no blank at its ends",
    ))
}

fn check_password(password: &SecretText) -> Result<(), AccessError> {
    if (10..=200).contains(&password.0.chars().count()) {
        return Ok(());
    }
    Err(AccessError::Rule("a password has 10 to 200 characters"))
}

fn kept(error: impl std::fmt::Display) -> AccessError {
    AccessError::Kept(error.to_string())
}
