//! The operator's tool, run as its users run it: arguments, output, JSON fields, exit codes and manners (docs/cli.md).
#![cfg(feature = "cli")]

mod shard;
mod support;

mod admin;
mod compact;
mod get;
mod ingest;
mod inspect;
mod manners;
mod scan;
mod tail;
mod verify;
mod verify_generations;
