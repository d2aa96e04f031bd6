//! A connection's layer where there is TLS: the handshake, at once or after STARTTLS, and octets both ways.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use pillarbox_core::now::{Now, Tick};
use pillarbox_core::session::Switched;

use super::{CHUNKS, Connection, Moved, gather};
use crate::io::{Clock, Stream};
use crate::service::Service;
use crate::tls::Tls;

/// What stands between the session and the stream.
#[derive(Debug)]
pub(super) enum Layer {
    Plain,
    Tls {
        tls: Box<Tls>,
        /// The handshake's deadline; `None` when it is done.
        handshake: Option<Tick>,
        /// STARTTLS: the session waits for the handshake.
        asked: bool,
        closing: bool,
    },
}

impl Service {
    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}

impl<S: Stream + Unpin, C: Clock + Unpin> Connection<S, C> {
    pub(super) fn write(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        match self.layer {
            Layer::Plain => self.write_plain(cx, now),
            Layer::Tls { .. } => self.write_tls(cx, now),
        }
    }

    pub(super) fn received(&mut self, octets: &[u8]) -> io::Result<()> {
        match self.layer {
            Layer::Plain => {
                self.received_plain(octets);
                Ok(())
            }
            Layer::Tls { .. } => self.received_tls(octets),
        }
    }

    /// Puts TLS in place; octets the client sent too early belong to the handshake, never to the session.
    pub(super) fn begin_tls(&mut self, residue: &Bytes, asked: bool) -> bool {
        let Some(Ok(tls)) = self.service.tls.as_ref().map(crate::tls::TlsConfig::begin) else {
            return false;
        };
        let handshake = Some(
            self.clock
                .now()
                .tick
                .after(self.config.limits.handshake_millis),
        );
        self.layer = Layer::Tls {
            tls: Box::new(tls),
            handshake,
            asked,
            closing: false,
        };
        self.received_tls(residue).is_ok()
    }

    /// The session hears of the handshake before it is given what came behind it.
    fn received_tls(&mut self, mut octets: &[u8]) -> io::Result<()> {
        let mut open = true;
        while self.handshaking()
            && !octets.is_empty()
            && let Layer::Tls { tls, .. } = &mut self.layer
        {
            open &= tls.take(&mut octets)?;
            self.handshaken();
        }
        let Layer::Tls { tls, .. } = &mut self.layer else {
            return Ok(());
        };
        let mut slot = self.session.recv_slot();
        let mut put = |plain: &[u8]| {
            if let Some(slot) = &mut slot {
                slot.put(plain);
            }
        };
        tls.drain(&mut put)?;
        while !octets.is_empty() {
            open &= tls.take(&mut octets)?;
            tls.drain(&mut put)?;
        }
        if !open {
            self.session.handle_eof();
        }
        Ok(())
    }

    pub(super) fn handshaking(&self) -> bool {
        matches!(
            &self.layer,
            Layer::Tls {
                handshake: Some(_),
                ..
            }
        )
    }

    pub(super) fn handshake_deadline(&self) -> Option<Tick> {
        match &self.layer {
            Layer::Tls { handshake, .. } => *handshake,
            Layer::Plain => None,
        }
    }

    /// Tells the session once the handshake is done.
    fn handshaken(&mut self) {
        let now = self.clock.now();
        let Layer::Tls {
            tls,
            handshake,
            asked,
            ..
        } = &mut self.layer
        else {
            return;
        };
        if handshake.is_some() && !tls.handshaking() {
            *handshake = None;
            self.record.summary.tls = true;
            if std::mem::take(asked) {
                self.session
                    .handle_switched(Switched::Tls(tls.facts()), now);
            }
        }
    }

    fn write_tls(&mut self, cx: &mut Context<'_>, now: Now) -> io::Result<Moved> {
        let Layer::Tls {
            tls,
            handshake,
            closing,
            ..
        } = &mut self.layer
        else {
            return Ok(false);
        };
        let mut moved = false;
        loop {
            let mut transmit = self.session.transmit(now);
            while handshake.is_none() && transmit.has_remaining() {
                let mut slices = [IoSlice::new(&[]); CHUNKS];
                let count = gather(transmit.chunks(), &mut slices);
                let n = tls.send(&slices[..count])?;
                if n == 0 {
                    break;
                }
                transmit.advance(n);
            }
            let drained = !transmit.has_remaining() && handshake.is_none();
            if self.ended.is_some() && drained && !std::mem::replace(closing, true) {
                tls.close();
            }
            if !tls.wants_write() {
                return Ok(moved);
            }
            let mut writer = Writer {
                stream: &mut self.stream,
                cx,
            };
            match tls.write(&mut writer) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => {
                    self.record.summary.octets_out += n as u64;
                    moved = true;
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(moved),
                Err(e) => return Err(e),
            }
        }
    }

    /// Why the peer's octets are no TLS, as far as the stream takes that at once (RFC 8446 §6.2).
    pub(super) fn alert(&mut self, cx: &mut Context<'_>) {
        let Layer::Tls { tls, .. } = &mut self.layer else {
            return;
        };
        let stream = &mut self.stream;
        let mut writer = Writer { stream, cx };
        while tls.wants_write() && tls.write(&mut writer).is_ok_and(|n| n > 0) {}
    }

    pub(super) fn layer_closed(&self) -> bool {
        match &self.layer {
            Layer::Plain => true,
            Layer::Tls { tls, .. } => !tls.wants_write(),
        }
    }
}

/// A stream as TLS wants to write to it.
struct Writer<'a, 'b, S> {
    stream: &'a mut S,
    cx: &'a mut Context<'b>,
}

impl<S: Stream> io::Write for Writer<'_, '_, S> {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(octets)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.stream.poll_write(self.cx, bufs) {
            Poll::Ready(result) => result,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
