//! Which distribution and which version: release files, in the order in which the original reads them.

use bstr::{BString, ByteSlice};

use super::distro::{self, OsRelease};
use super::guest::{Files, Tree};
use super::text::{Version, first_line, matches, variable, version};

/// Longest release file in bytes; a longer one is not read (the original's limit).
const RELEASE_MAX: usize = 2_146_304;
/// Longest name of a product or distribution in bytes that is believed. More than any field of the API's users shows.
const NAME_MAX: usize = 4096;

/// What release files say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Release {
    /// Name of the distribution in the API.
    pub(super) distro: Option<BString>,
    /// Its name for people.
    pub(super) product_name: Option<BString>,
    /// Its version.
    pub(super) version: Option<Version>,
    /// Its build.
    pub(super) build_id: Option<BString>,
    /// The IDs of its relatives, separated by blanks.
    pub(super) like: Option<BString>,
}

impl Release {
    /// Fills what is unset from `other`.
    pub(super) fn or(self, other: Release) -> Release {
        Release {
            distro: self.distro.or(other.distro),
            product_name: self.product_name.or(other.product_name),
            version: self.version.or(other.version),
            build_id: self.build_id.or(other.build_id),
            like: self.like.or(other.like),
        }
    }
}

/// How a release file is read.
enum Format {
    /// The product's name is the first line; the pattern finds the version in it.
    Pattern(&'static str),
    /// The product's name is the first line; its first number or pair of numbers is the version.
    FirstNumber,
    /// As `FirstNumber`, but a pair it must be.
    FirstPair,
    /// That the file is there is all that counts.
    Exists,
    /// lsb-release: the file names the distribution.
    Lsb,
    /// SuSE-release: the file says which of the two distributions it is.
    Suse,
}

/// One way to recognise a distribution.
struct Test {
    file: &'static str,
    distro: &'static str,
    format: Format,
}

const fn test(file: &'static str, distro: &'static str, format: Format) -> Test {
    Test { file, distro, format }
}

use Format::{Exists, FirstNumber, FirstPair, Lsb, Pattern, Suse};

const REDHAT_RELEASE: &str = "/etc/redhat-release";

/// The tests after os-release, in order; the first that succeeds ends the search.
static TESTS: &[Test] = &[
    test("/etc/lsb-release", "", Lsb),
    test("/etc/openmandriva-release", "openmandriva", Pattern("OpenMandriva*release #.#")),
    test("/etc/opencloudos-release", "opencloudos", Pattern("OpenCloudOS*release #")),
    test("/etc/tencentos-release", "tencentos", Pattern("TencentOS* #.#")),
    test("/etc/oracle-release", "oraclelinux", Pattern("Oracle Linux*release #*Update #")),
    test("/etc/oracle-release", "oraclelinux", Pattern("Oracle Linux*release #.#")),
    test("/etc/oracle-release", "oraclelinux", Pattern("Oracle Linux*release #")),
    test("/etc/centos-release", "centos", Pattern("CentOS*release #*Update #")),
    test("/etc/centos-release", "centos", Pattern("CentOS*release #.#")),
    test("/etc/centos-release", "centos", Pattern("CentOS*release #")),
    test("/etc/circle-release", "circle", Pattern("Circle Linux*release #.#")),
    test("/etc/circle-release", "circle", Pattern("Circle Linux*release #")),
    test("/etc/rocky-release", "rocky", Pattern("Rocky Linux*release #.#")),
    test("/etc/rocky-release", "rocky", Pattern("Rocky Linux*release #")),
    test("/etc/altlinux-release", "altlinux", FirstNumber),
    test(REDHAT_RELEASE, "fedora", Pattern("Fedora release #")),
    test(REDHAT_RELEASE, "rhel", Pattern("Red Hat*release #*Update #")),
    test(REDHAT_RELEASE, "rhel", Pattern("Red Hat*release #.#")),
    test(REDHAT_RELEASE, "rhel", Pattern("Red Hat*release #")),
    test(REDHAT_RELEASE, "centos", Pattern("CentOS*release #*Update #")),
    test(REDHAT_RELEASE, "centos", Pattern("CentOS*release #.#")),
    test(REDHAT_RELEASE, "centos", Pattern("CentOS*release #")),
    test(REDHAT_RELEASE, "circle", Pattern("Circle Linux*release #.#")),
    test(REDHAT_RELEASE, "circle", Pattern("Circle Linux*release #")),
    test(REDHAT_RELEASE, "rocky", Pattern("Rocky Linux*release #.#")),
    test(REDHAT_RELEASE, "rocky", Pattern("Rocky Linux*release #")),
    test(REDHAT_RELEASE, "scientificlinux", Pattern("Scientific Linux*release #*Update #")),
    test(REDHAT_RELEASE, "scientificlinux", Pattern("Scientific Linux*release #.#")),
    test(REDHAT_RELEASE, "scientificlinux", Pattern("Scientific Linux*release #")),
    test(REDHAT_RELEASE, "redhat-based", FirstNumber),
    test(REDHAT_RELEASE, "redhat-based", Exists),
    test("/etc/debian_version", "debian", FirstNumber),
    test("/etc/pardus-release", "pardus", FirstNumber),
    test("/etc/arch-release", "archlinux", Exists),
    test("/etc/gentoo-release", "gentoo", FirstNumber),
    test("/etc/meego-release", "meego", FirstNumber),
    test("/etc/slackware-version", "slackware", FirstNumber),
    test("/etc/ttylinux-target", "ttylinux", FirstNumber),
    test("/etc/SuSE-release", "", Suse),
    test("/etc/SuSE-release", "suse-based", Exists),
    test("/etc/cirros/version", "cirros", FirstNumber),
    test("/etc/br-version", "buildroot", FirstPair),
    test("/etc/alpine-release", "alpinelinux", FirstNumber),
    test("/etc/frugalware-release", "frugalware", Pattern("Frugalware #.#")),
    test("/etc/pld-release", "pldlinux", Pattern("#.# PLD Linux")),
];

/// A cirros that was built with buildroot has this file.
const CIRROS_LOGO: &str = "/usr/share/cirros/logo";

/// What the release files of a Linux root say.
pub(super) fn linux<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    let (release, mut enough) = os_release(files, "/etc/os-release")?;
    let mut release = release;
    if !enough && release == Release::default() {
        // A system whose /etc is empty until it first runs has it here only; os-release(5) names both.
        (release, enough) = os_release(files, "/usr/lib/os-release")?;
    }
    if enough {
        return Ok(release);
    }
    let mut nameless = Release::default();
    for test in TESTS {
        let Some(found) = test.run(files)? else { continue };
        match (&release.distro, &found.distro) {
            (Some(named), Some(distro)) if named != distro => {}
            (Some(_), None) => nameless = nameless.or(found),
            _ => return Ok(found.or(release)),
        }
    }
    Ok(release.or(nameless))
}

/// What the `os-release` of a `/usr` filesystem of its own says.
pub(super) fn usr<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    Ok(os_release(files, "/lib/os-release")?.0)
}

/// What the os-release of a DragonFly says, or where that is missing, its message of the day.
pub(super) fn dragonfly<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    let (release, enough) = os_release(files, "/etc/os-release")?;
    if enough {
        return Ok(release);
    }
    let motd = test("/etc/motd", "dragonfly", Pattern("DragonFly*v#.#")).run(files)?;
    Ok(motd.unwrap_or_else(|| Release { distro: Some("dragonfly".into()), ..Release::default() }).or(release))
}

/// The version of the system in the directory `path` of an ostree.
pub(super) fn of_deployment<T: Tree>(files: &mut Files<T>, path: &[u8]) -> Result<Option<Version>, T::Error> {
    let path = [path, b"/usr/lib/os-release"].concat();
    let text = files.read(path, RELEASE_MAX)?.unwrap_or_default();
    // A build counts on where a version stays, as Fedora CoreOS's does: 40.20240519.3.0.
    let build = || variable(&text, "OSTREE_VERSION").and_then(|text| version(&text));
    Ok(build().or_else(|| version(&variable(&text, "VERSION_ID")?)))
}

/// What the release files of a Hurd root say.
pub(super) fn hurd<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    let (release, enough) = os_release(files, "/etc/os-release")?;
    if enough {
        return Ok(release);
    }
    Ok(match test("/etc/debian_version", "debian", FirstNumber).run(files)? {
        Some(found) => found.or(release),
        None => release,
    })
}

/// What the release files of the `/usr` of a CoreOS say.
pub(super) fn coreos_usr<T: Tree>(files: &mut Files<T>) -> Result<Release, T::Error> {
    let (release, enough) = os_release(files, "/lib/os-release")?;
    if enough {
        return Ok(release);
    }
    Ok(match test("/share/coreos/lsb-release", "", Lsb).run(files)? {
        Some(found) => found.or(release),
        None => release,
    })
}

/// Reads an os-release(5), and says whether nothing else need be read.
fn os_release<T: Tree>(files: &mut Files<T>, path: &str) -> Result<(Release, bool), T::Error> {
    let Some(text) = files.read(path, RELEASE_MAX)? else { return Ok((Release::default(), false)) };
    let id = variable(&text, "ID").filter(|id| is_id(id));
    let known = id.as_ref().and_then(|id| distro::by_id(id.as_bstr()));
    let trust = known.map_or(OsRelease::Complete, |distro| distro.os_release);
    let mut release = Release {
        distro: known.map(|distro| distro.name.into()).or(id),
        product_name: variable(&text, "PRETTY_NAME").filter(|name| is_name(name)),
        version: variable(&text, "VERSION_ID")
            .and_then(|text| matches(&text, "V#Update#").or_else(|| version(&text))),
        build_id: variable(&text, "BUILD_ID").filter(|id| is_name(id)),
        like: variable(&text, "ID_LIKE"),
    };
    let enough = match trust {
        OsRelease::Complete => release.version.is_some(),
        OsRelease::Rolling => {
            release.version = Some((0, 0));
            true
        }
        OsRelease::MajorOnly => release.version.is_some_and(|(_, minor)| minor != 0),
        OsRelease::Second => false,
    };
    let enough = enough && release.distro.is_some() && release.product_name.is_some();
    Ok((release, enough))
}

/// Is it what os-release(5) allows as an ID? Capitals are not, but openEuler has one.
fn is_id(id: &[u8]) -> bool {
    is_name(id) && id.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

/// Can it be the name of something?
fn is_name(name: &[u8]) -> bool {
    (1..=NAME_MAX).contains(&name.len())
}

impl Test {
    fn run<T: Tree>(&self, files: &mut Files<T>) -> Result<Option<Release>, T::Error> {
        if let Exists = self.format {
            return Ok(files.leads_to_file(self.file)?.then(|| self.release(None, None)));
        }
        let Some(text) = files.read(self.file, RELEASE_MAX)? else { return Ok(None) };
        let Some(line) = first_line(&text).filter(|line| is_name(line)) else { return Ok(None) };
        let found = match self.format {
            Exists => None,
            Lsb => return Ok(lsb(&text)),
            Suse => return Ok(suse(&text)),
            Pattern(pattern) => matches(line, pattern),
            FirstNumber => version(line),
            FirstPair => matches(line, "#.#"),
        };
        let Some(version) = found else { return Ok(None) };
        let mut release = self.release(Some(line), Some(version));
        if self.distro == "buildroot" && files.is_file(CIRROS_LOGO)? {
            release.distro = Some("cirros".into());
        }
        Ok(Some(release))
    }

    fn release(&self, product_name: Option<&[u8]>, version: Option<Version>) -> Release {
        Release {
            distro: Some(self.distro.into()),
            product_name: product_name.map(BString::from),
            version,
            ..Release::default()
        }
    }
}

/// Reads lsb-release, which must name a distribution that is known by it, or describe one.
fn lsb(text: &[u8]) -> Option<Release> {
    let known = variable(text, "DISTRIB_ID").and_then(|id| distro::by_lsb_id(id.as_bstr()));
    let release = Release {
        distro: known.map(|distro| distro.name.into()),
        product_name: variable(text, "DISTRIB_DESCRIPTION").filter(|name| is_name(name)),
        version: variable(text, "DISTRIB_RELEASE").and_then(|text| version(&text)),
        ..Release::default()
    };
    (release.distro.is_some() || release.product_name.is_some()).then_some(release)
}

/// Reads SuSE-release, if it is of a distribution that is known.
fn suse(text: &[u8]) -> Option<Release> {
    let mut lines = text.lines();
    let (name, second, third) = (lines.next()?, lines.next(), lines.next());
    let starts = |names: &[&str]| names.iter().any(|start| name.starts_with(start.as_bytes()));
    let (distro, version) =
        if starts(&["SUSE Linux Enterprise ", "SUSE LINUX Enterprise ", "Novell Linux Desktop "]) {
            let (major, _) = matches(second?, "VERSION = #")?;
            let minor = third.and_then(|line| matches(line, "PATCHLEVEL = #")).unwrap_or_default();
            ("sles", Some((major, minor.0)))
        } else if starts(&["openSUSE ", "SuSE Linux ", "SUSE LINUX "]) {
            ("opensuse", second.and_then(|line| matches(line, "#.#")))
        } else {
            return None;
        };
    let product_name = Some(name.trim_ascii_end().into());
    Some(Release { distro: Some(distro.into()), product_name, version, ..Release::default() })
}
