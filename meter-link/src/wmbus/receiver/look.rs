//! The one way in which all framings are cut: what stands at the front of the bytes?

use super::{Damage, Found};

/// What stands at the front of some bytes.
pub(super) enum Look {
    /// Nothing that begins a message.
    Strange,
    /// A message of which more is to come; if nothing comes, this is what is wrong.
    Short(Damage),
    /// A message that takes so many bytes and is damaged.
    Damaged(usize, Damage),
    /// A sound message that takes so many bytes.
    Sound(usize, Found),
    /// Likewise, unless what follows shows that it takes more.
    Perhaps(usize, Found),
    /// A message whose end is certain and that is damaged.
    Refused(usize, Damage),
    /// Bytes that mean nothing and are no noise either, such as an empty line.
    Idle(usize),
}

/// What to do with the front of the bytes.
pub(super) enum Cut {
    /// Wait.
    More,
    /// Give up so many bytes as noise.
    Noise(usize),
    /// Pass over so many bytes.
    Idle(usize),
    /// A message, or what was one.
    Message(usize, Result<Found, Damage>),
}

/// Cuts what stands at the front. `last` says that nothing more will come. Never `More` then,
/// unless there are no bytes.
///
/// The length of a damaged message may itself be wrong, so a sound message inside it is looked
/// for before it is given up whole.
pub(super) fn cut(bytes: &[u8], last: bool, look: impl Fn(&[u8]) -> Look) -> Cut {
    if bytes.is_empty() {
        return Cut::More;
    }
    let at = |from: usize| look(bytes.get(from..).unwrap_or_default());
    let (length, damage) = match at(0) {
        Look::Sound(length, found) => return Cut::Message(length.max(1), Ok(found)),
        Look::Perhaps(..) if !last => return Cut::More,
        Look::Perhaps(length, found) => return Cut::Message(length.max(1), Ok(found)),
        Look::Refused(length, damage) => return Cut::Message(length.max(1), Err(damage)),
        Look::Idle(length) => return Cut::Idle(length.max(1)),
        Look::Strange => {
            let next = (1..bytes.len()).find(|from| !matches!(at(*from), Look::Strange));
            return Cut::Noise(next.unwrap_or(bytes.len()));
        }
        Look::Short(_) if !last => return Cut::More,
        Look::Short(damage) => (bytes.len(), damage),
        Look::Damaged(length, damage) => (length.clamp(1, bytes.len()), damage),
    };
    for from in 1..length {
        match at(from) {
            Look::Short(_) | Look::Perhaps(..) if !last => return Cut::More,
            Look::Sound(..) | Look::Perhaps(..) => return Cut::Message(from, Err(damage)),
            _ => {}
        }
    }
    Cut::Message(length, Err(damage))
}
