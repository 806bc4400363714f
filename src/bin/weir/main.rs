//! `weir`: the operator's tool. Data goes to standard output, everything else to standard error.
//!
//! It is a thin layer over the library: `docs/cli.md` documents what it prints and its exit codes, which are stable.

mod admin;
mod args;
mod compact;
mod condition;
mod exit;
mod generations;
mod ingest;
mod inspect;
mod interrupt;
mod log;
mod output;
mod place;
mod progress;
mod read;
mod rows;
mod tail;
mod text;
mod verify;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse();
    interrupt::install();
    log::install();
    let store = &cli.store;
    let done = match cli.command {
        Command::Ingest(args) => ingest::run(&args, store),
        Command::Tail(args) => tail::run(&args, store),
        Command::Scan(args) => read::scan(&args, store),
        Command::Get(args) => read::get(&args, store),
        Command::Inspect(args) => inspect::run(&args, store),
        Command::Verify(args) => verify::run(&args, store),
        Command::Trim(args) => admin::trim(&args, store),
        Command::Compact(args) => compact::run(&args, store),
        Command::Seal(args) => admin::seal(&args, store),
        Command::Unseal(args) => admin::unseal(&args, store),
    };
    ExitCode::from(match done {
        Ok(()) => 0,
        Err(stop) => stop.report(),
    })
}
