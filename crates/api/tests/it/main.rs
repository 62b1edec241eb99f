//! Gna over HTTP, in one process and without sockets.

mod browser;
mod guard;
mod pages;
