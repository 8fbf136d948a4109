//! The command line: what was typed, what it means, what is said about it, and the exit status.

mod code;
mod config;
mod console;
mod doctor;
#[cfg(test)]
mod documented_tests;
mod face;
mod help;
mod json;
mod line;
mod list;
mod log;
mod meaning;
mod messages;
mod quote;
mod service;
mod signals;
mod suggest;
mod topic;
mod values;
mod words;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use futures_lite::future::{self, or};

use crate::disk::descriptors;
use crate::events::{Cancel, Report};
use crate::receive::args::ReceiveArgs;
use crate::relay::Relay;
use crate::relay::args::RelayArgs;
use crate::send::args::SendArgs;
use crate::term::screen::{Screen, write_stderr, write_stdout};
use crate::term::style::Style;
use crate::term::tty::Tty;
use crate::term::writer::Writer;
use crate::{Error, Kind, Result, api};

pub use help::generated;

use code::Obtained;
use config::Settings;
use console::Console;
use face::Face;
use json::Events;
use line::Line;
use meaning::{CodeSource, Environment};
use signals::{RelaySignals, Watch};
use words::Typed;

/// From the arguments, the program's name first, to the exit status.
pub fn main(argv: Vec<OsString>) -> ExitCode {
    let words = argv.get(1..).unwrap_or_default();
    let status = words::read(words).and_then(run).unwrap_or_else(|error| {
        let status = error.kind().exit_status();
        write_stderr(&messages::error(Style::for_stderr(), &error));
        if words::asks_for_json(words) {
            // Where nobody reads it, the status says it.
            let _ = write_stdout(&json::only_error(&error, status));
        }
        status
    });
    ExitCode::from(status)
}

fn run(typed: Typed) -> Result<u8> {
    match typed {
        Typed::Help(topic) => Ok(print(&help::options(topic))),
        Typed::Guide(topic) => Ok(print(&help::guide(topic))),
        Typed::Doctor(args) => doctor::doctor(args),
        Typed::Config(args) => config::show(&args).map(|shown| print(&shown)),
        Typed::Completions(args) => help::completions(&args).map(|script| print(&script)),
        Typed::Version => Ok(print(concat!("p2pc ", env!("CARGO_PKG_VERSION")))),
        Typed::Send(args, line) => send(args, line),
        Typed::Receive(args, line) => receive(args, line),
        Typed::Relay(args) => relay(&args),
    }
}

fn send(mut args: SendArgs, line: Line) -> Result<u8> {
    let settings = Settings::of_process()?;
    settings.complete_send(&mut args);
    let writer = start_writer()?;
    let tty = Tty::open(writer.queue());
    let mut job = meaning::send(&args, &Environment::of_process(tty.is_some(), &settings))?;
    job.options.list = args.files_from.as_ref().map(|from| list::read(from, args.null)).transpose()?;
    if job.options.text.as_deref() == Some("-") {
        job.options.text = Some(list::read_text()?);
    }
    let cancel = Cancel::new();
    let watch = Watch::start(&cancel)?;
    let console = Console::new(job.setting, line, writer.queue(), tty, cancel.clone()).with_qr(args.qr);
    let face = Face::new(console, if args.json { Some(Events::start(cancel.clone())?) } else { None });
    job.options.code.iter().for_each(|code| face.doubt(code));
    face.tell_of_token();
    face.begin(&job.options.dial, job.options.wait);
    let transfer = api::send(job.options, &face, cancel);
    let ended = smol::block_on(or(transfer, face.keep_painting()));
    Ok(conclude(&face, &watch, ended))
}

fn receive(mut args: ReceiveArgs, line: Line) -> Result<u8> {
    let settings = Settings::of_process()?;
    settings.complete_receive(&mut args);
    let writer = start_writer()?;
    let tty = Tty::open(writer.queue());
    let environment = Environment::of_process(tty.is_some(), &settings);
    let (source, receiving) = meaning::receive(&args, &environment)?;
    let prompts = matches!(source, CodeSource::Prompt);
    let cancel = Cancel::new();
    let watch = Watch::start(&cancel)?;
    let code = match code::obtain(source, args.allow_weak_code, tty.as_ref(), &cancel)? {
        Obtained::New => None,
        Obtained::Given(code) => Some(code),
        Obtained::Cancelled => {
            let status = watch.exit_status().unwrap_or(Kind::Interrupted.exit_status());
            if args.json {
                let error = Error::new(Kind::Interrupted, signals::described(status));
                let _ = write_stdout(&json::only_error(&error, status));
            }
            return Ok(status);
        }
    };
    let job = receiving.with(code)?;
    descriptors::ask_for_more();
    let console = Console::new(job.setting, line, writer.queue(), tty, cancel.clone()).with_qr(args.qr);
    let face = Face::new(console, if args.json { Some(Events::start(cancel.clone())?) } else { None });
    // The prompt has asked about them.
    job.options.code.iter().filter(|_| !prompts).for_each(|code| face.doubt(code));
    face.tell_of_token();
    face.begin(&job.options.dial, job.options.wait);
    let transfer = api::receive(job.options, &face, cancel);
    let ended = smol::block_on(or(transfer, face.keep_painting()));
    Ok(conclude(&face, &watch, ended))
}

fn relay(args: &RelayArgs) -> Result<u8> {
    let sockets = service::sockets()?;
    let meaning::Relaying { options, log, quiet } = meaning::relay(args, !sockets.is_empty())?;
    log::start(if quiet { tracing::Level::ERROR } else { tracing::Level::INFO }, log);
    let cancel = Cancel::new();
    let drain = Cancel::new();
    let (ask, asked) = smol::channel::bounded(1);
    let watch = Watch::start_relay(&cancel, RelaySignals { drain: drain.clone(), hang_up: ask })?;
    let tls = options.tls.is_some();
    let manager = service::Manager::of_process();
    smol::block_on(async {
        let patience = options.drain;
        let relay = Relay::bind_with(options, sockets).await?;
        let reload = relay.reloader();
        let reloading = async {
            while asked.recv().await.is_ok() {
                manager.reloading();
                reload.now().await;
                manager.ready();
            }
            future::pending().await
        };
        for address in relay.addresses() {
            // A relay goes on serving whether or not somebody reads where it listens.
            let _ = write_stdout(&messages::listening(*address, tls));
        }
        manager.ready();
        // The relay is asked only once the manager was told: one that nobody is at is done with its end in no time.
        let (gently, firmly) = (Cancel::new(), Cancel::new());
        let told = async {
            let may_drain = async {
                drain.cancelled().await;
                true
            };
            let at_once = async {
                cancel.cancelled().await;
                false
            };
            let drains = or(at_once, may_drain).await;
            manager.stopping(patience.saturating_add(SEEING_OFF));
            if drains {
                gently.cancel();
                cancel.cancelled().await;
            }
            firmly.cancel();
            future::pending().await
        };
        or(or(told, reloading), relay.run_draining(gently.clone(), firmly.clone())).await
    })?;
    Ok(watch.exit_status().unwrap_or(0))
}

/// What a transfer says is written from here on, and when this is dropped, all of it has been, if anybody reads.
fn start_writer() -> Result<Writer> {
    start_writer_on(Screen::of_process(messages::left_out))
}

fn start_writer_on(screen: Screen) -> Result<Writer> {
    let cannot = |error| Error::new(Kind::Internal, "cannot start the writing thread").caused_by(error);
    Writer::start(screen).map_err(cannot)
}

/// Says how a transfer ended, and turns it into the exit status.
fn conclude(face: &Face, watch: &Watch, ended: Result<Report>) -> u8 {
    let ended = match (ended, face.stdout_trouble()) {
        (Err(error), Some(trouble)) if error.kind() == Kind::Interrupted => Err(trouble),
        (ended, _) => ended,
    };
    match ended {
        Ok(report) => face.conclude(&report),
        Err(error) if face.stdout_closed(&error) => {
            face.finish();
            STDOUT_CLOSED
        }
        Err(error) => match watch.exit_status().filter(|_| error.kind() == Kind::Interrupted) {
            Some(status) => {
                face.fail(&Error::new(Kind::Interrupted, signals::described(status)), status);
                status
            }
            None => {
                let status = error.kind().exit_status();
                face.fail(&error, status);
                status
            }
        },
    }
}

/// Prints what was asked for. A reader that went away has read enough.
fn print(text: &str) -> u8 {
    match write_stdout(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            let error = Error::new(Kind::Disk, "cannot write to standard output").caused_by(error);
            write_stderr(&messages::error(Style::for_stderr(), &error));
            error.kind().exit_status()
        }
        _ => 0,
    }
}

/// What a relay's end takes at most beside the time for sessions, and some more.
const SEEING_OFF: Duration = Duration::from_secs(15);

/// What shells report for a program that ended because nobody reads its output.
const STDOUT_CLOSED: u8 = 128 + 13;
