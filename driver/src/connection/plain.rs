//! A connection's layer where there is no TLS: none.

use std::io;
use std::task::Context;

use bytes::Bytes;
use pillarbox_core::now::{Now, Tick};

use super::{Connection, Moved};
use crate::io::{Clock, Stream};
use crate::service::Service;

/// What stands between the session and the stream.
#[derive(Debug)]
pub(super) enum Layer {
    Plain,
}

impl Service {
    pub(super) fn has_tls(&self) -> bool {
        false
    }
}

impl<S: Stream + Unpin, C: Clock + Unpin> Connection<S, C> {
    pub(super) fn write(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        match self.layer {
            Layer::Plain => self.write_plain(cx, now),
        }
    }

    pub(super) fn received(&mut self, octets: &[u8]) -> io::Result<()> {
        self.received_plain(octets);
        Ok(())
    }

    pub(super) fn begin_tls(&mut self, _residue: &Bytes, _asked: bool) -> bool {
        false
    }

    pub(super) fn handshaking(&self) -> bool {
        false
    }

    pub(super) fn handshake_deadline(&self) -> Option<Tick> {
        None
    }

    pub(super) fn alert(&mut self, _cx: &mut Context<'_>) {}

    pub(super) fn layer_closed(&self) -> bool {
        true
    }
}
