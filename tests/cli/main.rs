//! The operator's tool, run as its users run it: arguments, output, JSON fields, exit codes and manners (docs/cli.md).
#![cfg(feature = "cli")]

mod support;

mod admin;
mod ingest;
mod inspect;
mod manners;
mod tail;
mod verify;
