//! Standard input on its way to the guest's serial console.
//!
//! A thread reads, because reads block; it reads a piece when it is asked for one, so what the
//! guest doesn't take stays with the writer. Ctrl-C and signals come through the same channel,
//! so that one wait is enough.

use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use paravane_core::board::Board;

use super::terminal;
use crate::status::Status;

/// How many bytes are read at once.
const PIECE: usize = 4096;
/// How much may wait for a guest that doesn't listen while a person types; more is lost.
const TYPED_LIMIT: usize = 64 << 10;
/// What Ctrl-C sends in raw mode.
const CTRL_C: u8 = 3;

/// What happens outside of the guest.
enum Event {
    /// These bytes were read.
    Bytes(Vec<u8>),
    /// There is no more to read.
    End,
    /// The run shall end.
    Interrupt,
}

/// Standard input, or what is in its place.
pub struct Input {
    events: Receiver<Event>,
    requests: Sender<()>,
    interrupted: Arc<AtomicBool>,
    kind: Kind,
    /// What was read and has found no room in the guest yet.
    pending: Vec<u8>,
    /// The thread is reading.
    reading: bool,
    ended: bool,
}

/// What standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A terminal in raw mode.
    RawTerminal,
    /// A file: reading doesn't wait for anybody.
    File,
    /// A pipe, a terminal in line mode, or anything else that may make a reader wait.
    Stream,
}

impl Input {
    /// Connects standard input, and what can interrupt the run. `raw`: it is a terminal in raw
    /// mode.
    ///
    /// # Errors
    /// The host refuses a thread or a signal handler.
    pub fn connect(raw: bool) -> anyhow::Result<Self> {
        let (events_in, events) = mpsc::channel();
        let (requests, requests_out) = mpsc::channel();
        let interrupted = Arc::new(AtomicBool::new(false));
        catch_signals(interrupted.clone(), events_in.clone())?;
        thread::Builder::new()
            .name("standard input".into())
            .spawn(move || read_on_request(&requests_out, &events_in))
            .context("can't start the thread that reads standard input")?;
        let kind = match raw {
            true => Kind::RawTerminal,
            false if is_file() => Kind::File,
            false => Kind::Stream,
        };
        Ok(Self {
            events,
            requests,
            interrupted,
            kind,
            pending: Vec::new(),
            reading: false,
            ended: false,
        })
    }

    /// Text in place of standard input: all of it is there from the start.
    pub fn typed(text: Vec<u8>) -> Self {
        // Nobody is at the other ends.
        let (requests, _) = mpsc::channel();
        let (_, events) = mpsc::channel();
        Self {
            events,
            requests,
            interrupted: Arc::default(),
            kind: Kind::File,
            pending: text,
            reading: false,
            ended: true,
        }
    }

    /// Whether a person types, and sees each letter's effect at once.
    pub fn is_interactive(&self) -> bool {
        self.kind == Kind::RawTerminal
    }

    /// Whether the run shall end.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Whether the guest has been given everything, and no more will come.
    pub fn is_over(&self) -> bool {
        self.ended && self.pending.is_empty()
    }

    /// Whether there is something that the guest has no room for, so that no more is read. From
    /// a person it always is: there may be a Ctrl-C in it.
    pub fn is_stuck(&self) -> bool {
        !self.pending.is_empty() && !self.is_interactive()
    }

    /// Gives the guest what has come and what it has room for. Returns whether it took anything.
    pub fn feed(&mut self, board: &mut Board) -> bool {
        let mut fed = false;
        loop {
            let accepted = board.console_input(&self.pending);
            fed |= accepted > 0;
            self.pending.drain(..accepted.min(self.pending.len()));
            if self.is_stuck() || self.ended || self.interrupted() {
                return fed;
            }
            self.request();
            let event = match self.kind {
                Kind::File => self.events.recv().ok(),
                _ => self.events.try_recv().ok(),
            };
            let Some(event) = event else { return fed };
            self.note(event);
        }
    }

    /// Waits until something happens outside, or a time has passed.
    pub fn wait(&mut self, at_most: Option<Duration>) {
        if !self.is_stuck() {
            self.request();
        }
        let event = match at_most {
            Some(time) => self.events.recv_timeout(time).ok(),
            None => self.events.recv().ok(),
        };
        if let Some(event) = event {
            self.note(event);
        }
    }

    fn request(&mut self) {
        if !self.reading && !self.ended {
            self.reading = self.requests.send(()).is_ok();
            self.ended = !self.reading;
        }
    }

    fn note(&mut self, event: Event) {
        match event {
            Event::Bytes(bytes) => {
                self.reading = false;
                if self.is_interactive() && bytes.contains(&CTRL_C) {
                    self.interrupted.store(true, Ordering::Relaxed);
                }
                if !self.is_interactive() || self.pending.len() < TYPED_LIMIT {
                    self.pending.extend(bytes);
                }
            }
            Event::End => {
                self.reading = false;
                self.ended = true;
            }
            Event::Interrupt => self.interrupted.store(true, Ordering::Relaxed),
        }
    }
}

/// The thread: reads a piece for each request.
fn read_on_request(requests: &Receiver<()>, events: &Sender<Event>) {
    let mut input = io::stdin().lock();
    while requests.recv().is_ok() {
        let mut bytes = vec![0; PIECE];
        let event = loop {
            match input.read(&mut bytes) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break Event::End,
                Ok(count) => {
                    bytes.truncate(count);
                    break Event::Bytes(bytes);
                }
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Ctrl-C and signals that ask to end interrupt the run. The second one ends the process, even
/// if the run is stuck in writing output that nobody reads.
fn catch_signals(interrupted: Arc<AtomicBool>, events: Sender<Event>) -> anyhow::Result<()> {
    ctrlc::set_handler(move || {
        if interrupted.swap(true, Ordering::Relaxed) {
            terminal::restore();
            std::process::exit(Status::INTERRUPTED.0.into());
        }
        let _ = events.send(Event::Interrupt);
    })
    .context("can't catch Ctrl-C")
}

/// Whether standard input is a regular file.
fn is_file() -> bool {
    if io::stdin().is_terminal() {
        return false;
    }
    #[cfg(unix)]
    let handle = std::os::fd::AsFd::as_fd(&io::stdin()).try_clone_to_owned();
    #[cfg(windows)]
    let handle = std::os::windows::io::AsHandle::as_handle(&io::stdin()).try_clone_to_owned();
    handle
        .ok()
        .and_then(|handle| File::from(handle).metadata().ok())
        .is_some_and(|metadata| metadata.is_file())
}
