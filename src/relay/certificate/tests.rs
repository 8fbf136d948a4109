//! Files that change, and what new connections get.

use std::io::{Read as _, Write as _};
use std::path::Path;

use rustls::client::Resumption;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, ServerConfig, ServerConnection,
    SupportedProtocolVersion,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};

use super::*;

/// A certificate and its key in one text, for `localhost` and for `other.example`, and who issued both.
const OLD: &str = include_str!("../../../tests/vectors/tls/p256.pem");
const NEW: &str = include_str!("../../../tests/vectors/tls/other-name.pem");
const AUTHORITY: &str = include_str!("../../../tests/vectors/tls/ca.pem");

struct Scene {
    _dir: tempfile::TempDir,
    files: TlsFiles,
    certificate: Certificate,
}

impl Scene {
    fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let files = TlsFiles { cert, key: Some(key) };
        write(&files.cert, OLD);
        write(files.key.as_deref().unwrap(), OLD);
        let certificate = Certificate::read(&files).unwrap();
        Scene { _dir: dir, files, certificate }
    }

    fn cert(&self, pem: &str) {
        write(&self.files.cert, pem);
    }

    fn key(&self, pem: &str) {
        write(self.files.key.as_deref().unwrap(), pem);
    }

    /// What a look comes to: nothing, another fingerprint, or why not.
    fn look(&mut self) -> Option<Result<String, String>> {
        let before = self.certificate.fingerprint();
        match self.certificate.look() {
            Look::Unchanged => None,
            Look::Replaced => Some(Ok(self.certificate.fingerprint())),
            Look::Unusable(error) => {
                assert_eq!(before, self.certificate.fingerprint());
                Some(Err(chain_of(&error)))
            }
        }
    }
}

fn write(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
}

#[test]
fn what_did_not_change_is_left_alone() {
    let mut scene = Scene::new();
    assert!(scene.look().is_none());
    scene.cert(OLD);
    assert!(scene.look().is_none());
}

#[test]
fn a_pair_that_is_half_replaced_is_told_once_and_in_force_when_it_is_whole() {
    let mut scene = Scene::new();
    let old = scene.certificate.fingerprint();
    scene.cert(NEW);
    let why = scene.look().unwrap().unwrap_err();
    assert!(why.contains("does not belong"), "{why}");
    assert!(scene.look().is_none() && scene.look().is_none(), "it is told once");
    scene.key(NEW);
    let new = scene.look().unwrap().unwrap();
    assert_ne!(new, old);
    assert!(scene.look().is_none());
}

#[test]
fn each_way_of_being_broken_is_told_once_and_what_was_there_before_comes_back() {
    let mut scene = Scene::new();
    for (broken, why) in [
        ("", "holds no certificate"),
        (&OLD[..OLD.len() / 4], "PEM"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "damaged"),
    ] {
        scene.cert(broken);
        let said = scene.look().unwrap().unwrap_err();
        assert!(said.contains(why), "{said}");
        assert!(scene.look().is_none());
    }
    std::fs::remove_file(&scene.files.cert).unwrap();
    assert!(scene.look().unwrap().unwrap_err().contains("cannot read"));
    assert!(scene.look().is_none());
    std::fs::create_dir(&scene.files.cert).unwrap();
    assert!(scene.look().unwrap().unwrap_err().contains("is not a regular file"));
    std::fs::remove_dir(&scene.files.cert).unwrap();
    scene.cert(OLD);
    assert_eq!(scene.look().unwrap().unwrap(), scene.certificate.fingerprint());
}

#[test]
fn a_file_of_the_same_age_is_not_taken_for_the_old_one() {
    let mut scene = Scene::new();
    let (old, age) =
        (scene.certificate.fingerprint(), std::fs::metadata(&scene.files.cert).unwrap().modified());
    scene.key(NEW);
    scene.cert(NEW);
    std::fs::File::options().write(true).open(&scene.files.cert).unwrap().set_modified(age.unwrap()).unwrap();
    assert_ne!(scene.look().unwrap().unwrap(), old);
}

/// Shakes hands with whom the client takes for `name`: which certificate it saw, and how.
fn meet(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> (Vec<u8>, HandshakeKind) {
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let name = ServerName::try_from(name).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    server.writer().write_all(b"!").unwrap();
    let mut greeting = Vec::new();
    while greeting.is_empty() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        let mut bytes = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut bytes).unwrap();
        }
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        let _ = client.reader().read_to_end(&mut greeting);
    }
    (client.peer_certificates().unwrap()[0].to_vec(), client.handshake_kind().unwrap())
}

fn client(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(AUTHORITY.as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder_with_provider(tls::provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::in_memory_sessions(32);
    Arc::new(config)
}

#[test]
fn new_connections_get_the_new_certificate_and_resumed_ones_need_none() {
    for version in [&rustls::version::TLS13, &rustls::version::TLS12] {
        let mut scene = Scene::new();
        let server = tls::server_config_resolved_by(scene.certificate.in_force()).unwrap();
        let back = client(version);
        let (first, how) = meet(&server, &back, "localhost");
        assert_eq!(how, HandshakeKind::Full, "{version:?}");
        scene.cert(NEW);
        scene.key(NEW);
        scene.look().unwrap().unwrap();
        // A session that was begun before goes on with what its client has seen.
        assert_eq!(meet(&server, &back, "localhost"), (first.clone(), HandshakeKind::Resumed), "{version:?}");
        let (second, how) = meet(&server, &client(version), "other.example");
        assert!(second != first && how == HandshakeKind::Full, "{version:?}");
        // And one that is broken changes nothing for those that come then.
        scene.cert("oops");
        scene.look().unwrap().unwrap_err();
        assert_eq!(
            meet(&server, &client(version), "other.example"),
            (second, HandshakeKind::Full),
            "{version:?}"
        );
    }
}

#[test]
fn fingerprints_are_those_that_openssl_shows() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/localhost.pem");
    let certificate = Certificate::read(&TlsFiles { cert: path, key: None }).unwrap();
    let fingerprint = certificate.fingerprint();
    assert!(
        fingerprint.starts_with("D6:82:4D:B9:") && fingerprint.ends_with(":87:EF:37:FE"),
        "{fingerprint}"
    );
    assert_eq!(fingerprint.len(), 32 * 3 - 1);
    assert_eq!(format!("{:?}", certificate.in_force()), "InForce(..)");
}
