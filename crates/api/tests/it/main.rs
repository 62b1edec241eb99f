//! Gna over HTTP, in one process and without sockets.

mod browser;
mod codes;
mod connect;
mod frigg;
mod gate;
mod graphql_actor;
mod graphql_bulk;
mod graphql_limits;
mod graphql_read;
mod graphql_triage;
mod graphql_write;
mod guard;
mod hooks;
mod integrations;
mod jobs;
mod notices;
mod openapi;
mod operator;
mod pages;
mod priority;
mod rest;
mod rest_actor;
mod vex;
mod walker;
mod webhooks;
