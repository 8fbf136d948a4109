//! A line that is worse than this machine's: a TCP proxy that adds delay, a rate, a queue and the effect of losses.
//!
//! ```text
//! cargo bench --bench shaper -- HOST:PORT [listen=127.0.0.1:0] [delay_ms=25] [rate_mbit=200] [queue_ms=100] [loss=0.1] [seed=1]
//! ```
//!
//! It prints the address it listens on, carries every connection from there to `HOST:PORT`, and runs until it is ended. `delay_ms` is one
//! way, `rate_mbit` and `queue_ms` hold for each direction and for all connections together, `loss` is in percent of packets. One of these
//! between the sender and the relay and one between the receiver and the relay make the network between two homes, for anybody, without
//! root.
//!
//! It is an approximation. A proxy has whole connections in its hands and no packets, so it cannot lose any: it lets out as much as
//! a TCP of its own on that line would (ten packets first, twice as much each round trip, half after a loss, then one more packet each
//! round trip), and has what a lost packet would hold up come a round trip later. That is Reno, whatever the system's own is: what BBR gains on a
//! lossy line does not show here. To connect costs its round trip by holding back the first bytes.

#![forbid(unsafe_code)]

mod proxy;
mod tcp;

use std::env;
use std::io::{self, Write as _};
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::Duration;

use proxy::Line;
use tcp::Manners;

fn main() -> ExitCode {
    // Cargo says that this is a benchmark, which it is not.
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let line = opened(&words);
    match line {
        Ok(line) => {
            // Whoever does not read it knows it already.
            let _ = writeln!(io::stdout(), "{}", line.address);
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "shaper: {error}");
            ExitCode::FAILURE
        }
    }
}

fn opened(words: &[String]) -> Result<Line, String> {
    let mut goal = None;
    let mut listen = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut manners = Manners {
        delay: Duration::from_millis(25),
        rate: Some(200 * BYTES_PER_MBIT),
        queue: Duration::from_millis(100),
        lost: 0.0,
        seed: 1,
    };
    for word in words {
        let bad = |_| format!("{word} is no number");
        let Some((key, value)) = word.split_once('=') else {
            goal = word.to_socket_addrs().map_err(|error| format!("{word}: {error}"))?.next();
            continue;
        };
        match key {
            "listen" => listen = value.parse().map_err(|_| format!("{value} is no address"))?,
            "delay_ms" => manners.delay = Duration::from_millis(value.parse().map_err(bad)?),
            "queue_ms" => manners.queue = Duration::from_millis(value.parse().map_err(bad)?),
            "rate_mbit" => {
                let mbit: u64 = value.parse().map_err(bad)?;
                manners.rate = (mbit > 0).then(|| mbit.saturating_mul(BYTES_PER_MBIT));
            }
            "loss" => {
                let percent: f64 = value.parse().map_err(|_| format!("{word} is no number"))?;
                manners.lost = percent / 100.0;
            }
            "seed" => manners.seed = value.parse().map_err(bad)?,
            _ => return Err(format!("nothing is called {key}")),
        }
    }
    let goal = goal.ok_or("where to? The first word is HOST:PORT")?;
    Line::open(listen, goal, manners, |_| {}).map_err(|error| format!("cannot listen on {listen}: {error}"))
}

/// A million bits.
const BYTES_PER_MBIT: u64 = 1_000_000 / 8;
