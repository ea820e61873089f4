//! A tool from its start to its exit status.

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{ArgMatches, Command, FromArgMatches};

use crate::options::{long_options, short_options};
use crate::{Error, Output, Result};

/// What a running tool has to do with its user: output, and failures that do not end it.
#[derive(Debug)]
pub struct Session {
    /// Standard output.
    pub out: Output,
    tool: String,
    failed: bool,
}

impl Session {
    /// A session of the tool of that name.
    pub fn new(tool: impl Into<String>, out: Output) -> Self {
        Session { out, tool: tool.into(), failed: false }
    }

    /// Reports a failure after which the tool goes on; its exit status will tell.
    pub fn fail(&mut self, error: &Error) {
        self.failed = true;
        self.say(&error.message(&self.tool));
    }

    /// Reports something that the user should know, though nothing failed.
    pub fn warn(&mut self, error: &Error) {
        self.say(&format!("{}: warning: {}", self.tool, error.message("").trim_start_matches(": ")));
    }

    fn say(&mut self, text: &str) {
        // What was written before comes first where both go to one place. If that fails, the end of the tool says so.
        let _ = self.out.flush();
        // There is nowhere to report that standard error cannot be written.
        let _ = io::stderr().write_all(text.as_bytes());
    }

    /// The exit status, after a run that ended in `result`.
    fn end(mut self, result: Result<()>) -> u8 {
        let mut status = if self.failed { Error::FAILURE } else { 0 };
        if let Err(e) = self.out.flush() {
            // A reader that has seen enough is no failure, and what failed because of it is none either.
            if !self.out.is_closed() {
                status = Error::FAILURE;
                self.say(&Error::because("writing standard output", e).message(&self.tool));
            }
        } else if let Err(e) = result {
            status = e.status();
            self.say(&e.message(&self.tool));
        }
        status
    }
}

/// Runs a tool: parses the command line by `command` into `O`, and has `run` do the work.
///
/// A handle of the tool starts the program again as its daemon, so nothing may come before this in `main`.
pub fn main<O: FromArgMatches>(
    command: Command,
    run: impl FnOnce(&O, &ArgMatches, &mut Session) -> Result<()>,
) -> ExitCode {
    if let Some(status) = guestfsd::run_if_daemon() {
        return status;
    }
    let name = command.get_name().to_owned();
    let out = match Output::stdout() {
        Ok(out) => out,
        Err(e) => {
            let _ = io::stderr().write_all(Error::because("standard output", e).message(&name).as_bytes());
            return ExitCode::from(Error::FAILURE);
        }
    };
    let mut session = Session::new(name, out);
    let result = run_with(command, std::env::args_os().collect(), &mut session, run);
    ExitCode::from(session.end(result))
}

fn run_with<O: FromArgMatches>(
    mut command: Command,
    arguments: Vec<OsString>,
    session: &mut Session,
    run: impl FnOnce(&O, &ArgMatches, &mut Session) -> Result<()>,
) -> Result<()> {
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|m| Ok((O::from_arg_matches(&m)?, m)));
    let (options, matches) = match parsed {
        Ok(parsed) => parsed,
        Err(e) if e.exit_code() == 0 => {
            // --help and --version.
            return written(session.out.write_all(e.render().to_string().as_bytes()));
        }
        Err(e) => return Err(bad_command_line(&e.render().to_string())),
    };
    for (id, list) in
        [("long_options", long_options as fn(&Command) -> Vec<String>), ("short_options", short_options)]
    {
        if matches.get_flag(id) {
            let lines: String = list(&command).iter().map(|option| format!("{option}\n")).collect();
            return written(session.out.write_all(lines.as_bytes()));
        }
    }
    run(&options, &matches, session)
}

/// The parser's message in our form: the problem in one line, and its guess at what was meant as the hint.
fn bad_command_line(rendered: &str) -> Error {
    let problem = problem(rendered);
    let guess = rendered.lines().find_map(|line| line.trim_start().strip_prefix("tip: a similar "));
    let mut lines = rendered.lines().map(str::trim);
    let values = lines.find_map(|line| line.strip_prefix("[possible values: ")?.strip_suffix(']'));
    Error::bad_options(problem).hint(match (guess, values) {
        (Some(guess), _) => format!("a similar {guess}"),
        (None, Some(values)) => format!("it is one of {values}"),
        (None, None) => "see --help".to_owned(),
    })
}

/// The parser's problem, its first line, without the value that it quotes if that may be a key.
fn problem(rendered: &str) -> String {
    let rendered = rendered.strip_prefix("error: ").unwrap_or(rendered);
    let first_line = |text: &str| text.lines().next().unwrap_or_default().to_owned();
    match rendered.find(" for '--key <") {
        // The value may have lines of its own.
        Some(end) if rendered.starts_with("invalid value ") => {
            format!("invalid value{}", first_line(rendered.get(end..).unwrap_or_default()))
        }
        _ => first_line(rendered),
    }
}

/// A failed write is seen again at the end of the session, which reports it.
fn written(_result: io::Result<()>) -> Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::{CommonOptions, finish};
    use clap::CommandFactory;
    use std::sync::{Arc, Mutex};

    #[derive(Debug, clap::Parser)]
    #[command(name = "virt-test", version = "1.2.3", about = "Tests")]
    struct Options {
        #[command(flatten)]
        common: CommonOptions,
        words: Vec<OsString>,
    }

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>, Option<io::ErrorKind>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            match self.1 {
                Some(kind) => Err(kind.into()),
                None => self.0.lock().unwrap().write(bytes),
            }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(sink: &Sink, arguments: &[&str], work: impl FnOnce(&mut Session) -> Result<()>) -> (u8, String) {
        let mut session = Session::new("virt-test", Output::new(Box::new(sink.clone())));
        let arguments =
            std::iter::once("virt-test").chain(arguments.iter().copied()).map(OsString::from).collect();
        let result =
            run_with(finish(Options::command()), arguments, &mut session, |_: &Options, _, s| work(s));
        let status = session.end(result);
        (status, String::from_utf8(sink.0.lock().unwrap().clone()).unwrap())
    }

    fn status(work: impl FnOnce(&mut Session) -> Result<()>) -> u8 {
        run(&Sink::default(), &[], work).0
    }

    #[test]
    fn exit_status() {
        assert_eq!(status(|_| Ok(())), 0);
        assert_eq!(status(|_| Err(Error::new("x"))), 1);
        assert_eq!(status(|_| Err(Error::bad_options("x"))), 2);
        assert_eq!(run(&Sink::default(), &["--bogus"], |_| Ok(())).0, 2);
        let partial = |s: &mut Session| {
            s.fail(&Error::new("one of two"));
            Ok(())
        };
        assert_eq!(status(partial), 1);
        let warned = |s: &mut Session| {
            s.warn(&Error::new("careful"));
            Ok(())
        };
        assert_eq!(status(warned), 0);
    }

    #[test]
    fn a_broken_pipe_is_success_and_a_full_disk_is_not() {
        let write = |s: &mut Session| {
            let _ = s.out.write_all(b"data");
            s.out.flush().map_err(|e| Error::because("download", e))
        };
        for (kind, expected) in [(io::ErrorKind::BrokenPipe, 0), (io::ErrorKind::StorageFull, 1)] {
            assert_eq!(run(&Sink(Arc::default(), Some(kind)), &[], write).0, expected, "{kind}");
        }
    }

    #[test]
    fn help_version_and_lists_go_to_standard_output() {
        let text = |argument| {
            let (status, text) = run(&Sink::default(), &[argument], |_| panic!("must not run"));
            assert_eq!(status, 0, "{argument}");
            text
        };
        assert_eq!(text("--version"), "virt-test 1.2.3\n");
        assert!(text("--help").starts_with("Tests\n"));
        assert_eq!(text("--long-options"), "--help\n--verbose\n--version\n");
        assert_eq!(text("--short-options"), "-v\n-V\n-x\n");
    }

    #[test]
    fn the_parsers_message_is_one_line_and_a_hint() {
        let rendered = "error: unexpected argument '--ad' found\n\n  tip: a similar argument exists: '--add'\n\nUsage: x\n";
        assert_eq!(
            bad_command_line(rendered).message("virt-x"),
            "virt-x: unexpected argument '--ad' found\nhint: a similar argument exists: '--add'\n"
        );
        let rendered =
            "error: invalid value 'x:sec\nret' for '--key <SELECTOR>': a selector is so\n\nFor more\n";
        assert_eq!(
            bad_command_line(rendered).message("virt-x"),
            "virt-x: invalid value for '--key <SELECTOR>': a selector is so\nhint: see --help\n"
        );
        let rendered = "error: invalid value 'c' for '--of <X>'\n  [possible values: a, b]\n\nFor more\n";
        assert_eq!(
            bad_command_line(rendered).message("virt-x"),
            "virt-x: invalid value 'c' for '--of <X>'\nhint: it is one of a, b\n"
        );
    }
}
