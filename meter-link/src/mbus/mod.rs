//! M-Bus: the application layer that wired (EN 13757-2) and wireless meters (EN 13757-4) share.
