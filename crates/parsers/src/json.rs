//! Reads large JSON documents piece by piece.
