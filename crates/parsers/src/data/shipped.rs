//! The definitions that come with Gna: one line per file of `data/`, in the order of names.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../data/", $name, ".toml")))),*]
    };
}

/// File name and text of each.
pub(super) const SHIPPED: &[(&str, &str)] = shipped!["gosec",];
