//! wattle-display
