//! Tests that need more than one file's own: the child process, every shipped format.

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod hostile_programs;
#[cfg(test)]
mod long_lists;
#[cfg(test)]
mod shipped_formats;
#[cfg(test)]
mod support;
