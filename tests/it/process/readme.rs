//! Every command of the README, of the quick start and of the guide, run as it stands there, but for the name of the relay: over TLS with a
//! certificate of that name, found through a proxy, and by people at terminals who type what the pages tell them to.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::program::{Program, Terminal, typed};
use super::proxied::tunnel;
use super::tls::vector;
use crate::docs::page::{blocks, spans};

/// What cannot be run here, and what does it instead.
const ELSEWHERE: [(&str, &str); 5] = [
    ("curl ", "the tests of `handed_out` install so, with several shells and fetchers"),
    ("make ", "`.ci/run` does it"),
    ("sha256sum ", "`make dist-test` does it"),
    ("BASE=", "`make dist-test` does it"),
    ("pip ", "`make dist-test` does it"),
];

/// Where everybody begins.
const PAGES: [&str; 3] = ["README.md", "docs/index.md", "docs/guide.md"];

/// What `relay.example.com` is called here: the name in the certificate.
const NAME: &str = "relay.test";

#[test]
fn every_command_of_the_first_pages_does_what_it_says() {
    let mut pages = Pages::new();
    let place = Place::new();
    let relay = place.relay(&pages.takes("p2pc relay --cert"));
    let proxy = proxy_to(address_of(&relay.1));
    let proxied = |mut command: Command| {
        // Whoever resolves the relay's name is the proxy; whoever signed its certificate is known to this machine.
        command.env("HTTPS_PROXY", format!("http://{proxy}")).env("SSL_CERT_FILE", vector("ca.pem"));
        command
    };

    // The first screen: the receiver types the code, looks at the offer, and agrees.
    let mut sender = place.starts(proxied(typed(&pages.takes("p2pc send --relay relay.test thesis"))));
    let code = sender.prints();
    let mut terminal = Terminal::new();
    let receiver = place.starts(proxied(terminal.typed(&pages.takes("p2pc receive -o incoming"))));
    terminal.sees("Code: ");
    terminal.types(&format!("{code}\n"));
    terminal.sees("[y/N] ");
    terminal.types("y\n");
    ended(receiver, sender);
    place.has("incoming/thesis.pdf");
    place.has("incoming/photos/sea.raw");
    assert!(code.ends_with("@relay.test"), "{code}");

    // What the sender prints there is what the page shows, but for the code; and what it tells the other side to type works.
    let line = [pages.takes("export P2PC_RELAY"), pages.takes("p2pc send thesis.pdf")].join("; ");
    let mut sender = place.starts(proxied(typed(&line)));
    let code = sender.prints();
    let shown = pages.takes("p2pc receive 48213-acid-crane-otter@relay.test").replace(CODE_SHOWN, &code);
    assert_eq!(sender.says("p2pc receive ").trim(), shown);
    let again = pages.takes("p2pc send --code 48213").replace(CODE_SHOWN, &code);
    assert_eq!(sender.says("p2pc send --code").trim(), again);
    place.agrees(|terminal| proxied(terminal.typed(&shown)));
    sender.exits(0);

    // From behind a proxy, which the command names itself.
    let exported = pages
        .takes("export HTTPS_PROXY")
        .replace("http://proxy.cluster.example:3128", &format!("http://{proxy}"));
    assert!(exported.contains(&proxy.to_string()), "{exported}");
    let line = [exported, pages.takes("p2pc send --relay relay.test --wait")].join("; ");
    let mut sender = place.starts(proxied(typed(&line)));
    let received = proxied(typed(&pages.takes("p2pc receive --yes --quiet --on-conflict skip")));
    let receiver = place.starts(with_code(received, &sender.prints()));
    ended(receiver, sender);

    // The receiver makes the code.
    let line = pages.takes("p2pc receive --new-code --relay");
    let mut terminal = Terminal::new();
    let mut receiver = place.starts(proxied(terminal.typed(&line)));
    let code = receiver.prints();
    let line = pages.takes("p2pc send --code CODE@relay.test").replace("CODE@relay.test", &code);
    let sender = place.starts(proxied(typed(&line)));
    terminal.sees("[y/N] ");
    terminal.types("y\n");
    ended(receiver, sender);

    // No relay but the sender.
    let line = pages.takes("p2pc send --listen :9000").replace(":9000", "127.0.0.1:0");
    let mut sender = place.starts(typed(&line));
    let shown = "48213-acid-crane-otter@ws://192.168.1.7:9000";
    let line = pages.takes("p2pc receive 48213-acid-crane-otter@ws://").replace(shown, &sender.prints());
    place.agrees(|terminal| terminal.typed(&line));
    sender.exits(0);
    place.has("backup/notes");
    // Any port will do; the receiver may be the relay as well.
    let line = format!("{} --listen 127.0.0.1:0", pages.takes("p2pc send photos/"));
    let mut sender = place.starts(typed(&line));
    ended(place.starts(with_code(typed("p2pc receive --yes -o from-there"), &sender.prints())), sender);
    place.has("from-there/photos/sea.raw");
    let line = pages.takes("p2pc receive --new-code --listen :9000").replace(":9000", "127.0.0.1:0");
    let mut receiver = place.starts(typed(&format!("{line} --yes -o from-here")));
    let sender = place.starts(with_code(typed("p2pc send photos/"), &receiver.prints()));
    ended(receiver, sender);
    place.has("from-here/photos/sea.raw");

    // Through pipes. What `tar` packed here is what comes out there.
    let line = pages.takes("tar -c src | p2pc send - --name src.tar");
    let mut sender =
        place.starts(proxied(typed(&format!("P2PC_RELAY=relay.test; export P2PC_RELAY; {line}"))));
    let line = pages.takes("p2pc receive --yes -o - | tar -x");
    let unpacks = with_code(proxied(typed(&format!("cd there && {line}"))), &sender.prints());
    ended(place.starts(unpacks), sender);
    place.has("there/src/main.rs");

    // What a list names.
    place.starts(typed("git init --quiet && git add photos")).exits(0);
    let line = pages.takes("git ls-files | p2pc send --files-from -");
    let mut sender =
        place.starts(proxied(typed(&format!("P2PC_RELAY=relay.test; export P2PC_RELAY; {line}"))));
    let receiver = proxied(typed("p2pc receive --yes -o listed"));
    ended(place.starts(with_code(receiver, &sender.prints())), sender);
    place.has("listed/photos/sea.raw");

    // A few words.
    let line = pages.takes("p2pc send --text");
    let mut sender =
        place.starts(proxied(typed(&format!("P2PC_RELAY=relay.test; export P2PC_RELAY; {line}"))));
    let mut receiver = place.starts(with_code(proxied(typed("p2pc receive --yes")), &sender.prints()));
    assert_eq!(receiver.prints(), "the password is in the usual place");
    ended(receiver, sender);

    // What is in the way: here as on the page, an authority that this machine does not know.
    let mut asks = typed(&pages.takes("p2pc doctor"));
    asks.env("HTTPS_PROXY", format!("http://{proxy}"));
    let (_, told) = place.starts(asks).ends();
    let told = format!("{}{}", String::from_utf8_lossy(&told.stdout), told.stderr);
    assert!(told.contains("was issued by nobody this machine trusts"), "{told}");
    assert!(told.contains("In the way: TLS."), "{told}");

    // Checksums, of what is there already.
    let mut sender = place.starts(typed("p2pc send --listen 127.0.0.1:0 thesis.pdf photos"));
    let receiver = typed("p2pc receive --yes --checksums SUMS -o incoming");
    ended(place.starts(with_code(receiver, &sender.prints())), sender);
    place.starts(typed(&pages.takes("(cd incoming && sha256sum"))).exits(0);

    // To give up on a transfer.
    let left = place.dir.path().join("incoming/.p2pc-0123456789abcdef01234567.part");
    std::fs::write(&left, b"").unwrap();
    place.starts(typed(&pages.takes("find incoming"))).exits(0);
    assert!(!left.exists());
    place.has("incoming/thesis.pdf");

    pages.ends();
}

/// The code that the pages show, with its relay.
const CODE_SHOWN: &str = "48213-acid-crane-otter@relay.test";

fn ended(receiver: Program, sender: Program) {
    receiver.exits(0);
    sender.exits(0);
}

fn with_code(mut command: Command, code: &str) -> Command {
    command.env("P2PC_CODE", code);
    command
}

/// The commands of the pages that have not been run yet.
struct Pages {
    left: Vec<String>,
}

impl Pages {
    fn new() -> Pages {
        let page = |page| std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(page)).unwrap();
        let text = PAGES.map(page).join("\n").replace("relay.example.com", NAME);
        let in_blocks = blocks(&text).into_iter().flat_map(|block| block.commands());
        // Within a sentence stands also the name of a subcommand or an option, which is no command.
        let in_prose = spans(&text).into_iter().filter(|span| {
            let begins = ["p2pc ", "tar ", "find incoming", "(cd ", "git ls-files", "cargo "];
            let mut begins = begins.into_iter().chain(ELSEWHERE.iter().map(|(begin, _)| *begin));
            begins.any(|begin| span.starts_with(begin)) && (span.contains(" -") || !span.starts_with("p2pc"))
        });
        let (elsewhere, mut left): (Vec<_>, Vec<_>) = in_blocks
            .chain(in_prose)
            .map(|line| without_comment(&line).to_owned())
            .partition(|line| ELSEWHERE.iter().any(|(begin, _)| line.starts_with(begin)));
        for line in elsewhere {
            let (_, instead) = ELSEWHERE.iter().find(|(begin, _)| line.starts_with(begin)).unwrap();
            println!("not run here: {line} ({instead})");
        }
        left.sort();
        left.dedup();
        Pages { left }
    }

    /// The one command that begins so.
    fn takes(&mut self, begin: &str) -> String {
        let at = self.left.iter().position(|line| line.starts_with(begin));
        let at = at.unwrap_or_else(|| panic!("no page has `{begin}` left: {:#?}", self.left));
        self.left.remove(at)
    }

    fn ends(self) {
        assert!(self.left.is_empty(), "in the pages, and not run here: {:#?}", self.left);
    }
}

/// A directory with everything that the pages send, and the certificate of its relay.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        for file in ["thesis.pdf", "photos/sea.raw", "results/run-1.csv", "backup/notes", "src/main.rs"] {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        // One file holds both.
        for name in ["fullchain.pem", "key.pem"] {
            std::fs::copy(vector("p256.pem"), dir.path().join(name)).unwrap();
        }
        Place { dir }
    }

    fn starts(&self, mut command: Command) -> Program {
        Program::start(command.current_dir(self.dir.path()))
    }

    /// A relay by that command, on a free port instead of 443. It is killed with the test.
    fn relay(&self, line: &str) -> (Program, String) {
        let mut program = self.starts(typed(&format!("exec {} --listen 127.0.0.1:0", without_comment(line))));
        let listens = program.prints();
        (program, listens)
    }

    /// A receiver whose person says yes, to its end. What it receives goes where it is.
    fn agrees(&self, command: impl FnOnce(&Terminal) -> Command) {
        let mut terminal = Terminal::new();
        let there = self.dir.path().join("there");
        std::fs::create_dir_all(&there).unwrap();
        let program = Program::start(command(&terminal).current_dir(there));
        terminal.sees("[y/N] ");
        terminal.types("y\n");
        program.exits(0);
    }

    fn has(&self, file: &str) {
        let places: [PathBuf; 2] = [self.dir.path().join(file), self.dir.path().join("there").join(file)];
        assert!(places.iter().any(|path| path.exists()), "{file} has not arrived");
    }
}

fn without_comment(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line).trim_end()
}

fn address_of(listens: &str) -> SocketAddr {
    listens.strip_prefix("listening on wss://").unwrap().parse().unwrap()
}

/// A proxy in whose network `relay.test` is `relay`. It ends with the test.
fn proxy_to(relay: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            std::thread::spawn(move || {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    client.read_exact(&mut byte).unwrap();
                    head.extend(byte);
                }
                assert!(head.starts_with(format!("CONNECT {NAME}:443 HTTP/1.1\r\n").as_bytes()));
                client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                tunnel(&client, &TcpStream::connect(relay).unwrap());
            });
        }
    });
    address
}
