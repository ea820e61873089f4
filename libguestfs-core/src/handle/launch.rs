//! Waiting for a daemon to come up: its log is passed on, its silence noticed, and a long wait is told as progress.

use std::time::{Duration, Instant};

use nix::poll::PollTimeout;

use super::{Connection, Event, Guestfs};
use crate::backend::Process;
use crate::client::Client;
use crate::wire::{Channel, Progress, Word};
use crate::{Error, Result};

/// How long a daemon may take to come up.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// To send its launch flag.
    whole: Duration,
    /// If it has a log: how long that may be silent.
    silence: Duration,
}

/// lib/conn-socket.c has 20 minutes. An emulated machine on a busy host, whose kernel prints nothing, has been up within a
/// minute.
const PATIENCE: Patience =
    Patience { whole: Duration::from_secs(20 * 60), silence: Duration::from_secs(5 * 60) };
/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// A launch is told as progress of no call, in twelfths, and only once it has taken some time (lib/launch.c).
const PROGRESS_AFTER: Duration = Duration::from_secs(5);
const TWELFTHS: u64 = 12;
/// How far a launch is when the programs run, when the kernel prints, and when the daemon is there.
const STARTED: u64 = 3;
const BOOTING: u64 = 6;

impl Guestfs {
    /// Waits for the launch flag.
    ///
    /// # Errors
    /// If the daemon ends, is silent for too long, or says something else.
    pub(super) fn await_launch_flag(
        &self,
        channel: Channel,
        process: Box<dyn Process>,
    ) -> Result<Connection> {
        let mut told = None;
        let launched = self.await_daemon(channel, process, PATIENCE, &mut told);
        if told.is_some() {
            // Whatever came of it, the wait is over.
            self.tell_launch(TWELFTHS);
        }
        launched
    }

    /// Waits, and notes in `told` how much of that was told as progress.
    fn await_daemon(
        &self,
        mut channel: Channel,
        mut process: Box<dyn Process>,
        patience: Patience,
        told: &mut Option<u64>,
    ) -> Result<Connection> {
        let start = Instant::now();
        let mut heard: Option<Instant> = None;
        while !channel.wait_input(PollTimeout::try_from(LOOK).unwrap_or(PollTimeout::ZERO))? {
            if self.pass_on_log(process.as_mut()) {
                heard = Some(Instant::now());
            }
            let silent = heard.unwrap_or(start).elapsed();
            if (process.has_log() && silent > patience.silence) || start.elapsed() > patience.whole {
                return Err(Error::launch(format!(
                    "the daemon does not come up: nothing was heard of it for {} seconds; with LIBGUESTFS_DEBUG=1 there is \
                     a log",
                    silent.as_secs()
                )));
            }
            let position = if heard.is_some() { BOOTING } else { STARTED };
            if start.elapsed() > PROGRESS_AFTER && *told != Some(position) {
                *told = Some(position);
                self.tell_launch(position);
            }
        }
        match channel.read_word() {
            Ok(Some(Word::Launch)) => {
                self.pass_on_log(process.as_mut());
                Ok(Connection { client: Client::new(channel), process })
            }
            Ok(Some(other)) => {
                Err(Error::launch(format!("the daemon began with {other:?}, not with the launch flag")))
            }
            Ok(None) | Err(_) => {
                let obituary = process.obituary();
                self.pass_on_log(process.as_mut());
                Err(Error::launch(format!("the daemon did not come up: {obituary}")))
            }
        }
    }

    fn tell_launch(&self, position: u64) {
        let progress = Progress { procedure: 0, serial: 0, position, total: TWELFTHS };
        self.events.fire(&Event::Progress(progress));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;
    use std::os::unix::net::UnixStream;

    /// A program that never sends its flag, and prints so often.
    #[derive(Debug)]
    struct Mute {
        has_log: bool,
        lines: u32,
    }

    impl Process for Mute {
        fn log(&mut self) -> Vec<u8> {
            let line = if self.lines > 0 { b"booting\n".to_vec() } else { Vec::new() };
            self.lines = self.lines.saturating_sub(1);
            line
        }

        fn has_log(&self) -> bool {
            self.has_log
        }

        fn obituary(&mut self) -> String {
            "it ended".into()
        }
    }

    /// Waits in vain; for how long?
    fn waited(process: Mute, patience: Patience) -> Duration {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        let guestfs = Guestfs::with_settings(Settings::default());
        let start = Instant::now();
        let launched =
            guestfs.await_daemon(Channel::new(ours.into()), Box::new(process), patience, &mut None);
        let text = launched.unwrap_err().to_string();
        assert!(text.contains("does not come up"), "{text}");
        start.elapsed()
    }

    #[test]
    fn a_daemon_that_says_nothing_is_not_waited_for_for_ever() {
        let (short, long) = (2 * LOOK, 100 * LOOK);
        let silence = Patience { whole: 10 * long, silence: short };
        let quiet = waited(Mute { has_log: true, lines: 0 }, silence);
        assert!((short..long).contains(&quiet), "{quiet:?}");
        // What is printed starts the wait anew.
        let talkative = waited(Mute { has_log: true, lines: 5 }, silence);
        assert!(talkative >= short + 4 * LOOK, "{talkative:?}");
        // Where there is no log, silence means nothing; the whole has an end all the same.
        for (has_log, lines) in [(false, 0), (true, u32::MAX)] {
            let whole = waited(Mute { has_log, lines }, Patience { whole: 2 * short, silence: short });
            assert!(whole >= 2 * short, "{whole:?}");
        }
    }
}
