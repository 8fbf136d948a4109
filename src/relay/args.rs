//! What may be typed after `p2pc relay`. What it means is worked out in `cli::meaning`.

use argh::{ArgsInfo, FromArgs};

use crate::term::word::Word;

/// run a relay
#[derive(Debug, FromArgs, ArgsInfo)]
#[argh(subcommand, name = "relay")]
pub struct RelayArgs {
    /// where to listen; again for more
    #[argh(option, arg_name = "ADDR:PORT")]
    pub listen: Vec<Word>,
    /// the certificate chain, and the key too where one file holds both
    #[argh(option, arg_name = "PEM")]
    pub cert: Option<Word>,
    /// the private key of the certificate
    #[argh(option, arg_name = "PEM")]
    pub key: Option<Word>,
    /// who may use the relay: a name and a token a line
    #[argh(option, arg_name = "FILE")]
    pub token_file: Option<Word>,
    /// a network whose X-Forwarded-For is believed; again for more
    #[argh(option, arg_name = "NETWORK")]
    pub trust_proxy: Vec<Word>,
    /// how long sessions may go on after SIGTERM
    #[argh(option, arg_name = "TIME")]
    pub drain: Option<Word>,
    /// where to give out measurements
    #[argh(option, arg_name = "ADDR:PORT")]
    pub metrics: Option<Word>,
    /// text or json
    #[argh(option, arg_name = "FORM")]
    pub log: Option<Word>,
    /// off, short or full
    #[argh(option, arg_name = "HOW")]
    pub log_addresses: Option<Word>,
    /// under which address others reach this relay
    #[argh(option, arg_name = "URL")]
    pub public_url: Option<Word>,
    /// binaries for other systems
    #[argh(option, arg_name = "DIR")]
    pub dl_dir: Option<Word>,
    /// connections of all kinds
    #[argh(option, arg_name = "N")]
    pub max_connections: Option<Word>,
    /// rooms in which one side waits
    #[argh(option, arg_name = "N")]
    pub max_waiting: Option<Word>,
    /// rooms in which two sides are joined
    #[argh(option, arg_name = "N")]
    pub max_sessions: Option<Word>,
    /// rooms in all
    #[argh(option, arg_name = "N")]
    pub max_rooms: Option<Word>,
    /// connections of one address at a time
    #[argh(option, arg_name = "N")]
    pub address_connections: Option<Word>,
    /// connections one address begins in a minute
    #[argh(option, arg_name = "N")]
    pub address_arrivals: Option<Word>,
    /// seats one address asks for in a minute
    #[argh(option, arg_name = "N")]
    pub address_joins: Option<Word>,
    /// rooms one address opens in a minute
    #[argh(option, arg_name = "N")]
    pub address_rooms: Option<Word>,
    /// how long a side waits for the other
    #[argh(option, arg_name = "TIME")]
    pub wait_time: Option<Word>,
    /// the time for TLS
    #[argh(option, arg_name = "TIME")]
    pub handshake_time: Option<Word>,
    /// the time for the request with its headers
    #[argh(option, arg_name = "TIME")]
    pub header_time: Option<Word>,
    /// how long a pair lives that says nothing
    #[argh(option, arg_name = "TIME")]
    pub idle_time: Option<Word>,
    /// what one pair may say in all
    #[argh(option, arg_name = "SIZE")]
    pub session_bytes: Option<Word>,
    /// bytes a second of one pair
    #[argh(option, arg_name = "RATE")]
    pub session_rate: Option<Word>,
    /// bytes a second of all pairs together
    #[argh(option, arg_name = "RATE")]
    pub total_rate: Option<Word>,
    /// rooms in which a side without a token waits
    #[argh(option, arg_name = "N")]
    pub guest_waiting: Option<Word>,
    /// how long a side without a token waits
    #[argh(option, arg_name = "TIME")]
    pub guest_wait_time: Option<Word>,
    /// do not hand out the client
    #[argh(switch)]
    pub no_dl: bool,
    /// log nothing but errors
    #[argh(switch, short = 'q')]
    pub quiet: bool,
}
