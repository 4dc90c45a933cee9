//! wattle
