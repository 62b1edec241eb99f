//! The search port: one file or folder per implementation.
