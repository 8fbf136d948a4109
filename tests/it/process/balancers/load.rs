//! Many transfers through one address, several at a time, and somebody who disturbs them.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use super::super::program::{Program, p2pc};
use super::super::scene::until;
use super::super::tls::vector;
use crate::cutting::Chance;

/// So many transfers over up to four lanes, some at a time. Every `large`th has 20 MB and takes seconds, the others are over at once.
pub struct Load {
    pub transfers: usize,
    pub at_once: usize,
    pub large: usize,
}

/// The transfers that run, as whoever disturbs them sees them.
pub struct Transfers<'a> {
    done: Receiver<usize>,
    count: usize,
    pairing: &'a RwLock<()>,
}

impl Load {
    /// Carries all of them to their end, whatever `disturb` does.
    pub fn carry(&self, url: &str, disturb: impl FnOnce(&mut Transfers<'_>)) {
        let dir = tempfile::tempdir().unwrap();
        let (next, pairing) = (AtomicUsize::new(0), RwLock::new(()));
        let (tell, done) = channel();
        std::thread::scope(|scope| {
            for _ in 0..self.at_once {
                let (tell, next, pairing, dir) = (tell.clone(), &next, &pairing, dir.path());
                scope.spawn(move || {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= self.transfers {
                            return;
                        }
                        self.carry_one(number, url, dir, pairing);
                        // Towards the end nobody may be listening any more.
                        let _ = tell.send(number);
                    }
                });
            }
            drop(tell);
            disturb(&mut Transfers { done, count: 0, pairing: &pairing });
        });
    }

    fn carry_one(&self, number: usize, url: &str, dir: &Path, pairing: &RwLock<()>) {
        let (file, out) = (dir.join(format!("{number}")), dir.join(format!("out-{number}")));
        let size = if number.is_multiple_of(self.large) { LARGE } else { SMALL };
        std::fs::write(&file, Chance::new(number as u64).bytes(size)).unwrap();
        let side = |subcommand: &str| {
            let code = format!("{}-acid-crane-otter", 10_000 + number);
            let mut command = p2pc(subcommand);
            command.args(["--relay", url, "--ca", &vector("ca.pem"), "--code", &code]);
            command
        };
        let nobody_disturbs = pairing.read().unwrap();
        let mut sender = Program::start(side("send").args(["--lanes", "4", "--limit", RATE]).arg(&file));
        let mut receiver = Program::start(side("receive").arg("--yes").arg("--out").arg(&out));
        sender.says("Connected.");
        receiver.says("Connected.");
        drop(nobody_disturbs);
        receiver.exits(0);
        sender.exits(0);
        let arrived = std::fs::read(out.join(format!("{number}"))).unwrap();
        assert!(arrived == std::fs::read(&file).unwrap(), "transfer {number} is not what was sent");
        for path in [out.join(format!("{number}")), file] {
            std::fs::remove_file(path).unwrap();
        }
    }
}

impl Transfers<'_> {
    /// Waits until so many are over.
    pub fn wait_done(&mut self, count: usize) {
        while self.count < count {
            self.done.recv().expect("a transfer has failed");
            self.count += 1;
        }
    }

    /// Does something at a moment at which no two sides are about to meet for the first time.
    pub fn while_nobody_pairs(&self, what: impl FnOnce()) {
        let _nobody = self.pairing.write().unwrap();
        what();
    }
}

/// Waits until a relay has pairs, by its measurements.
pub fn wait_moving(metrics: SocketAddr) {
    until("nobody comes to this relay", || {
        let mut stream = TcpStream::connect(metrics).unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: relay\r\nConnection: close\r\n\r\n").unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).unwrap();
        let joined = page.lines().find_map(|line| line.strip_prefix("p2pc_relay_rooms{state=\"joined\"} "));
        joined.unwrap().parse::<u64>().unwrap() > 0
    });
}

const SMALL: usize = 10_000;
const LARGE: usize = 20_000_000;

/// So a large one takes some seconds, within which its relay goes.
const RATE: &str = "8M";
