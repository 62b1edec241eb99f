//! Tests that need more than one file's own: the child process, every shipped format.

mod corpus;
mod damage;
mod hostile_programs;
mod shipped_formats;
mod support;
