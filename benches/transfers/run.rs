//! One run of one tool: its processes started in order, timed and watched to their end, and what arrived looked at.

use std::fs;
use std::io::{self, Error};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::counting::Counter;
use crate::data;
use crate::first_byte::FirstByte;
use crate::place::Place;
use crate::process::{self, Process};
use crate::tools::{Job, Relay, Shape, Tool};

/// What one run took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// From the start of the receiving command to the end of both.
    pub seconds: f64,
    /// From the same start until the receiver has written some content, if somebody looked.
    pub first_byte: Option<f64>,
    /// CPU seconds of sender, relay and receiver.
    pub cpu: [Option<f64>; 3],
    /// Peak memory of the same.
    pub memory_kib: [Option<f64>; 3],
}

/// Carries the content from one end to the other.
pub fn whole(tool: &dyn Tool, job: &Job<'_>) -> io::Result<Sample> {
    let mut relay = reachable(tool, job)?;
    let sample = carry(tool, job, &mut relay)?;
    check(job)?;
    Ok(sample)
}

/// Carries nine tenths, kills both ends, and times what two new commands take for the rest. The nine tenths go over loopback: what is on the disk then is the
/// same whatever it came over.
pub fn rest(tool: &dyn Tool, job: &Job<'_>) -> io::Result<Sample> {
    let wanted = data::measure(job.source)?.1 / 10 * 9;
    {
        let near = Job { place: &Place::Loopback, ..*job };
        let relay = tool.relay(&near)?;
        let (_sender, told) = tool.send(&near, &relay)?;
        let mut receiver = near.start("receiver", tool.receive(&near, &relay, &told))?;
        let began = Instant::now();
        while part_bytes(job.out)? < wanted {
            if receiver.has_ended() || began.elapsed() > CUT_PATIENCE {
                return Err(receiver.failure("was not there to be killed at nine tenths"));
            }
            thread::sleep(CUT_PAUSE);
        }
        // All three are killed here.
    }
    let mut relay = reachable(tool, job)?;
    let sample = carry(tool, job, &mut relay)?;
    check(job)?;
    Ok(sample)
}

/// Carries the content once more, not timed, and counts what both ends give to the network. Nothing if the tool cannot be led through a
/// proxy.
pub fn counted(tool: &dyn Tool, job: &Job<'_>) -> io::Result<Option<u64>> {
    if !tool.can_be_led() {
        return Ok(None);
    }
    let mut relay = tool.relay(job)?;
    let mut counters = Vec::new();
    relay.addresses = relay.led(&mut |target| {
        let counter = Counter::before(target)?;
        let address = counter.address;
        counters.push(counter);
        Ok(address)
    })?;
    carry(tool, job, &mut relay)?;
    Ok(Some(counters.iter().map(Counter::bytes).sum()))
}

/// The tool's relay, with the addresses that both ends know it by in that place.
fn reachable(tool: &dyn Tool, job: &Job<'_>) -> io::Result<Relay> {
    let mut relay = tool.relay(job)?;
    job.place.lead(&mut relay)?;
    Ok(relay)
}

fn carry(tool: &dyn Tool, job: &Job<'_>, relay: &mut Relay) -> io::Result<Sample> {
    // What earlier runs left to be written is not this one's to wait for.
    rustix::fs::sync();
    match tool.shape() {
        Shape::Push => push(tool, job, relay),
        shape => meet(tool, job, relay, shape),
    }
}

fn meet(tool: &dyn Tool, job: &Job<'_>, relay: &mut Relay, shape: Shape) -> io::Result<Sample> {
    let (mut sender, told) = tool.send(job, relay)?;
    let relay_before = relay.processes.first().and_then(Process::cpu);
    let sender_before = if shape == Shape::SenderStays { sender.cpu() } else { Some(0.0) };
    let began = Instant::now();
    let mut receiver = job.start("receiver", tool.receive(job, relay, &told))?;
    let first_byte = FirstByte::of(job.source, job.out, began);
    let ended = if shape == Shape::SenderStays {
        let ended = process::wait_for_all(&mut [&mut receiver], &mut relay.processes)?;
        sender.look();
        ended
    } else {
        process::wait_for_all(&mut [&mut receiver, &mut sender], &mut relay.processes)?
    };
    let relay = relay.processes.first();
    Ok(Sample {
        seconds: (ended - began).as_secs_f64(),
        first_byte: first_byte.and_then(FirstByte::seen),
        cpu: [
            since(sender.cpu(), sender_before),
            since(relay.and_then(Process::cpu), relay_before),
            receiver.cpu(),
        ],
        memory_kib: [sender.peak_kib(), relay.and_then(Process::peak_kib), receiver.peak_kib()],
    })
}

fn push(tool: &dyn Tool, job: &Job<'_>, relay: &mut Relay) -> io::Result<Sample> {
    let before = relay.processes.first().and_then(Process::cpu);
    let began = Instant::now();
    let mut command = job.start("sender", tool.receive(job, relay, ""))?;
    let first_byte = FirstByte::of(job.source, job.out, began);
    let ended = process::wait_for_all(&mut [&mut command], &mut relay.processes)?;
    // The children of both do the work: their times are known when they are gone, their memory is not.
    relay.processes.iter().for_each(Process::wait_for_children);
    let after = relay.processes.first().and_then(Process::cpu);
    let cpu = [command.cpu(), None, since(after, before)];
    let first_byte = first_byte.and_then(FirstByte::seen);
    Ok(Sample { seconds: (ended - began).as_secs_f64(), first_byte, cpu, memory_kib: [None; 3] })
}

fn since(after: Option<f64>, before: Option<f64>) -> Option<f64> {
    Some(after? - before?)
}

/// As many files and bytes as were sent. That they are the right ones is what the tests are for.
fn check(job: &Job<'_>) -> io::Result<()> {
    let (sent, arrived) = (data::measure(job.source)?, data::measure(job.out)?);
    if sent == arrived {
        return Ok(());
    }
    Err(Error::other(format!(
        "{} files with {} bytes were sent, {} with {} arrived",
        sent.0, sent.1, arrived.0, arrived.1
    )))
}

/// What has been written of a file that is being received.
fn part_bytes(out: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(out)? {
        let entry = entry?;
        let name = entry.file_name();
        if Path::new(&name).extension().is_some_and(|extension| extension == "part") {
            // It may have become the whole file just now.
            bytes += entry.metadata().map(|metadata| metadata.blocks() * BLOCK_BYTES).unwrap_or_default();
        }
    }
    Ok(bytes)
}

/// What `stat` counts in.
const BLOCK_BYTES: u64 = 512;

/// Often enough to kill near nine tenths at a gigabyte a second.
const CUT_PAUSE: Duration = Duration::from_millis(5);

/// Nine tenths of anything here arrive in this time.
const CUT_PATIENCE: Duration = Duration::from_secs(300);
