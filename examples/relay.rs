//! Runs a relay: `cargo run --example relay -- 127.0.0.1:8080`
//!
//! It speaks plain WebSocket: for the open network put a TLS proxy in front of it, or fill in `RelayOptions::tls`.

#![allow(clippy::print_stdout, reason = "the example shows where it listens")]

use futures_lite::future::block_on;
use p2pc::{Cancel, Relay, RelayOptions, Result};

fn main() -> Result<()> {
    // Port 0 lets the system choose.
    let listen = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".into());
    let options = RelayOptions::new(listen.parse()?);

    block_on(async {
        // Once it is bound, clients may connect: nobody has to wait for a line of output.
        let relay = Relay::bind(options).await?;
        for address in relay.addresses() {
            println!("ws://{address}");
        }
        // It serves on threads of its own until it is cancelled; nobody does that here.
        relay.run(Cancel::new()).await
    })
}
