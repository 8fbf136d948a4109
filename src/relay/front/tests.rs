//! What is handed out, and to whom not.

use futures_lite::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::relay::pipe::pipe;

const TARGET: &str = "aarch64-unknown-linux-musl";
const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

fn front(public_url: Option<&str>) -> (tempfile::TempDir, Front) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(TARGET), vec![7; 200_000]).unwrap();
    let options =
        options::Front { public_url: public_url.map(str::to_owned), dl_dir: Some(dir.path().to_owned()) };
    let front = Front::open(&options, false).unwrap();
    (dir, front)
}

fn ask(front: &Front, request: &str, trusted: bool) -> Result<Option<Handout>, Answer> {
    let heard = http::parse(request.as_bytes())?.unwrap();
    front.hand_out(&heard.asked, &heard.reader, HERE, trusted)
}

fn get(path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\n{headers}\r\n")
}

fn text(front: &Front, request: &str, trusted: bool) -> String {
    let Some(Handout { content: Content::Text(text), .. }) = ask(front, request, trusted).unwrap() else {
        panic!("{request}")
    };
    text
}

#[test]
fn who_asks_is_told_the_address_it_asked() {
    let (_dir, front) = front(None);
    let plain = text(&front, &get("/", "Host: a.example:81\r\nAccept: */*\r\n"), false);
    assert!(plain.contains("http://a.example:81/install.sh"), "{plain}");
    assert_eq!(plain.lines().count(), 3);
    let html = text(&front, &get("/", "Host: a.example\r\nAccept: text/html;q=1, */*\r\n"), false);
    assert!(html.starts_with("<!doctype html>") && html.contains(TARGET), "{html}");
    let script = text(&front, &get("/install.sh", "Host: a.example\r\n"), false);
    assert!(script.contains("url='http://a.example'") && script.contains(TARGET), "{script}");
}

#[test]
fn tls_in_front_counts_where_it_is_trusted() {
    let (_dir, front) = front(None);
    let request = get("/install.sh", "Host: a.example\r\nX-Forwarded-Proto: https\r\n");
    assert!(text(&front, &request, true).contains("url='https://a.example'"));
    assert!(text(&front, &request, false).contains("url='http://a.example'"));
}

#[test]
fn what_no_host_is_gets_into_no_script() {
    let (_dir, front) = front(None);
    for host in ["", "a'; rm -rf /; '", "a b", "$(reboot)", "a\r\nHost: b"] {
        let request = get("/install.sh", &format!("Host: {host}\r\n"));
        assert_eq!(ask(&front, &request, false).unwrap_err(), http::BAD_HOST, "{host}");
    }
    assert_eq!(ask(&front, "GET / HTTP/1.0\r\n\r\n", false).unwrap_err(), http::BAD_HOST);
}

#[test]
fn an_address_of_ones_own_goes_before_what_is_asked() {
    let (_dir, front) = front(Some("https://relay.example.org"));
    let script = text(&front, &get("/install.sh", "Host: other\r\n"), false);
    assert!(script.contains("url='https://relay.example.org'") && !script.contains("other'"), "{script}");
}

#[test]
fn a_binary_comes_as_it_is_and_head_without_it() {
    let (_dir, front) = front(None);
    for head_only in [false, true] {
        let handout = ask(&front, &get(&format!("/dl/{TARGET}"), ""), false).unwrap().unwrap();
        let (mut client, mut server) = pipe(1000);
        let told = smol::block_on(async {
            let told = async {
                let mut told = Vec::new();
                client.close().await.unwrap();
                client.read_to_end(&mut told).await.unwrap();
                told
            };
            let (told, done) =
                futures_lite::future::zip(told, deliver(&mut server, handout, head_only)).await;
            done.unwrap();
            told
        });
        let end = told.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(told[..end].to_vec()).unwrap();
        assert!(head.contains("Content-Length: 200000\r\n") && head.contains("filename=\"p2pc\""), "{head}");
        assert_eq!(told[end..].len(), if head_only { 0 } else { 200_000 });
        assert!(told[end..].iter().all(|byte| *byte == 7));
    }
}

#[test]
fn only_so_many_fetch_at_a_time() {
    let (_dir, front) = front(None);
    let request = get(&format!("/dl/{TARGET}"), "");
    let mut fetching: Vec<_> =
        (0..places::ADDRESS_FETCHING_MAX).map(|_| ask(&front, &request, false).unwrap()).collect();
    assert_eq!(ask(&front, &request, false).unwrap_err(), http::ADDRESS_BUSY);
    let elsewhere = http::parse(request.as_bytes()).unwrap().unwrap();
    let [one, other] = [1, 2].map(|last| IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, last)));
    for address in [one, other] {
        assert!(front.hand_out(&elsewhere.asked, &elsewhere.reader, address, false).is_ok());
    }
    fetching.pop();
    assert!(ask(&front, &request, false).is_ok());
}

#[test]
fn who_asks_how_long_it_is_takes_no_place() {
    let (_dir, front) = front(None);
    let request = format!("HEAD /dl/{TARGET} HTTP/1.1\r\n\r\n");
    let asked: Vec<_> = (0..100).map(|_| ask(&front, &request, false).unwrap()).collect();
    assert!(ask(&front, &get(&format!("/dl/{TARGET}"), ""), false).is_ok());
    drop(asked);
}

#[test]
fn another_binary_than_the_one_announced_is_not_handed_out() {
    let (_dir, front) = front(None);
    let sum = front.shelf.lock().unwrap().get(TARGET).unwrap().sum.clone();
    let asked = |query: String| ask(&front, &get(&format!("/dl/{TARGET}{query}"), ""), false);
    assert!(asked(format!("?sha256={sum}")).unwrap().is_some());
    assert!(asked(format!("?sha256={}", sum.to_uppercase())).unwrap().is_some());
    assert_eq!(asked(format!("?sha256={}", "0".repeat(64))).unwrap_err(), http::OTHER_BINARY);
    assert_eq!(asked("?sha256=".to_owned()).unwrap_err(), http::OTHER_BINARY);
    assert!(asked(format!("?sha256={sum}&sha256={sum}")).is_err());
    // The script asks for exactly that.
    let script = text(&front, &get("/install.sh", "Host: a.example\r\n"), false);
    assert!(script.contains("$url/dl/$1?sha256=$2") && script.contains(&*sum), "{script}");
}

#[test]
fn paths_lead_nowhere() {
    let (dir, front) = front(None);
    std::fs::write(dir.path().join("secret"), b"no").unwrap();
    for path in ["secret", "", "../secret", "..%2fsecret", "/etc/passwd", "x86_64-apple-darwin"] {
        assert_eq!(
            ask(&front, &get(&format!("/dl/{path}"), ""), false).unwrap_err(),
            http::NO_BINARY,
            "{path}"
        );
    }
}

#[test]
fn what_was_replaced_is_handed_out_after_it_was_read_again() {
    let (dir, front) = front(None);
    let sums = |front: &Front| front.shelf.lock().unwrap().get(TARGET).unwrap().sum.clone();
    let before = sums(&front);
    std::fs::write(dir.path().join("new"), b"new").unwrap();
    std::fs::rename(dir.path().join("new"), dir.path().join(TARGET)).unwrap();
    assert_eq!(sums(&front), before);
    front.reload().unwrap();
    assert_ne!(sums(&front), before);
    std::fs::remove_dir_all(dir.path()).unwrap();
    front.reload().unwrap_err();
    assert!(front.shelf.lock().unwrap().get(TARGET).is_some());
}
