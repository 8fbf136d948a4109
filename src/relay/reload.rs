//! What a relay reads again while it runs: its certificate, its tokens, and what it hands out.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::future;
use smol::Timer;
use smol::channel::{Receiver, Sender, bounded};

use super::certificate::{Certificate, Look, chain_of};
use super::front::Front;
use super::tokens::Tokens;

/// Has a relay read certificate, key, tokens and the binaries it hands out again, as SIGHUP does for the program. What cannot be used leaves in force what is, and the log
/// says why. Sessions that run notice nothing.
#[derive(Clone, Debug)]
pub struct Reload(Sender<Asked>);

/// Whoever asked waits for its end.
type Asked = Sender<()>;

impl Reload {
    /// Has it done, and returns when it was; or when the relay has ended. Before the relay runs it waits for that. Cancel safe.
    pub async fn now(&self) {
        let (asked, done) = bounded(1);
        if self.0.send(asked).await.is_ok() {
            // Nothing is ever said: it closes.
            let _ = done.recv().await;
        }
    }
}

/// Looks after the files.
#[derive(Debug)]
pub struct Keeper {
    files: Files,
    asked: Receiver<Asked>,
}

#[derive(Debug)]
struct Files {
    certificate: Option<Certificate>,
    tokens: Option<Arc<Tokens>>,
    front: Option<Arc<Front>>,
}

impl Keeper {
    /// Looks after these, and how to ask it.
    #[must_use]
    pub fn new(
        certificate: Option<Certificate>,
        tokens: Option<Arc<Tokens>>,
        front: Option<Arc<Front>>,
    ) -> (Keeper, Reload) {
        let (ask, asked) = bounded(1);
        (Keeper { files: Files { certificate, tokens, front }, asked }, Reload(ask))
    }

    /// Looks at the files every few seconds, and when it is asked to, for as long as it is polled.
    pub async fn keep(self) {
        let Keeper { mut files, asked } = self;
        loop {
            let asked = async {
                match asked.recv().await {
                    Ok(asked) => Some(asked),
                    // Nobody is left who could ask.
                    Err(_) => future::pending().await,
                }
            };
            let due = async {
                if files.certificate.is_none() {
                    return future::pending().await;
                }
                Timer::after(LOOK).await;
                None
            };
            let who_asked = future::or(asked, due).await;
            let is_asked = who_asked.is_some();
            // A disk may be slow.
            files = smol::unblock(move || files.look(is_asked)).await;
            drop(who_asked);
        }
    }
}

impl Files {
    fn look(mut self, is_asked: bool) -> Files {
        if let Some(certificate) = &mut self.certificate {
            match certificate.look() {
                Look::Unchanged if !is_asked => {}
                Look::Unchanged => tracing::info!("certificate and key are as they were"),
                Look::Replaced => {
                    tracing::info!(sha256 = certificate.fingerprint(), "another certificate is in force");
                }
                Look::Unusable(error) => {
                    let error = chain_of(&error);
                    tracing::error!(%error, "the new certificate cannot be used, the old one stays");
                }
            }
        }
        // A list that is being written must not be taken for what is meant: tokens are read when somebody says so.
        if let Some(tokens) = self.tokens.as_ref().filter(|_| is_asked) {
            match tokens.read_again() {
                Ok(()) => tracing::info!(tokens = tokens.count(), "the token file was read again"),
                Err(error) => {
                    let error = chain_of(&error);
                    tracing::error!(%error, "the new token file cannot be used, the old tokens stay");
                }
            }
        }
        if let Some(front) = self.front.as_ref().filter(|_| is_asked) {
            match front.reload() {
                Ok(()) => tracing::info!("the binaries to hand out were read again"),
                Err(error) => {
                    let error = chain_of(&error);
                    tracing::error!(%error, "the binaries cannot be read again, the old ones stay");
                }
            }
        }
        self
    }
}

/// How often the certificate's files are looked at. Whoever renews them does so days before the old one ends.
const LOOK: Duration = Duration::from_secs(10);
