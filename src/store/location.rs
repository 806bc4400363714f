//! Reading the URL of a root.
//!
//! URLs are percent-decoded, so `file:///a%20b` and the plain path `/a b` are the same place; plain paths are taken literally.
//! Repeated and trailing slashes mean nothing. What could silently mean another place (a query, a fragment, `..`, a malformed
//! escape) is refused.

use std::fmt::Write as _;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::error::{Result, bail, err};

/// A place that a URL names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Location {
    /// An absolute local path.
    Local(PathBuf),
    /// A named store in this process's memory, and a prefix within.
    Memory { name: String, prefix: String },
    Cloud {
        cloud: Cloud,
        /// The scheme as given, in lower case.
        scheme: String,
        /// What names the bucket or container.
        authority: String,
        /// Decoded, without slashes at its ends; may be empty.
        prefix: String,
    },
}

/// The schemes of URLs.
const SCHEMES: [&str; 8] = ["file", "memory", "s3", "s3a", "gs", "az", "abfs", "abfss"];

/// A protocol spoken over the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cloud {
    S3,
    Gcs,
    Azure,
}

impl Location {
    /// Reads a URL or a plain path.
    pub(crate) fn parse(url: &str) -> Result<Self> {
        if url.is_empty() {
            bail!(InvalidArgument, "the URL of a root must not be empty");
        }
        if url.contains('\0') {
            bail!(InvalidArgument, "the URL {url:?} contains a NUL byte");
        }
        match split_scheme(url) {
            // `s3:/bucket` is meant as a URL: taken as a path it would be a directory called `s3:` here.
            None if url.split_once(":/").is_some_and(|(scheme, _)| SCHEMES.contains(&scheme.to_ascii_lowercase().as_str())) => {
                bail!(InvalidArgument, "the URL {url:?} needs two slashes after its scheme (three for file:///absolute/path)")
            }
            None => Ok(Self::Local(absolute(Path::new(url))?)),
            Some((scheme, rest)) => Self::parse_url(url, &scheme.to_ascii_lowercase(), rest),
        }
    }

    fn parse_url(url: &str, scheme: &str, rest: &str) -> Result<Self> {
        if let Some(found) = rest.chars().find(|c| matches!(c, '?' | '#')) {
            let (what, escape) = if found == '?' { ("query", "%3F") } else { ("fragment", "%23") };
            bail!(
                InvalidArgument,
                "the URL {:?} has a {what}, which a root cannot have (a literal {found:?} in a name is written {escape})",
                redact(url)
            );
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let cloud = match scheme {
            "file" => return local(url, authority, path),
            "memory" => {
                let name = bucket(url, authority, "name")?;
                return Ok(Self::Memory { name, prefix: prefix(url, path)? });
            }
            "s3" | "s3a" => Cloud::S3,
            "gs" => Cloud::Gcs,
            "az" | "abfs" | "abfss" => Cloud::Azure,
            _ => bail!(Unsupported, "the scheme of the URL {:?} is not known: use {} or a plain path", redact(url), SCHEMES.join(", ")),
        };
        let authority = if cloud == Cloud::Azure { container(url, authority)? } else { bucket(url, authority, "bucket")? };
        Ok(Self::Cloud { cloud, scheme: scheme.to_owned(), authority, prefix: prefix(url, path)? })
    }

    /// The one URL by which errors and messages call this place. Reading it gives this place.
    pub(crate) fn url(&self) -> String {
        match self {
            Self::Local(path) => format!("file://{}", encode(path.as_os_str().as_bytes())),
            Self::Memory { name, prefix } => join("memory", name, prefix),
            Self::Cloud { scheme, authority, prefix, .. } => join(scheme, authority, prefix),
        }
    }

    /// Where it is within `root`, without slashes at the ends; `None` if it is elsewhere.
    pub(crate) fn within(&self, root: &Self) -> Option<String> {
        match (self, root) {
            // As it is, not as URLs have it: that is how a backend takes paths. Those that are no text can only be encoded.
            (Self::Local(path), Self::Local(root)) => {
                let rest = path.strip_prefix(root).ok()?;
                Some(rest.to_str().map_or_else(|| encode(rest.as_os_str().as_bytes()), str::to_owned))
            }
            (Self::Memory { name, prefix }, Self::Memory { name: in_name, prefix: above }) if name == in_name => beneath(prefix, above),
            (Self::Cloud { cloud, authority, prefix, .. }, Self::Cloud { cloud: in_cloud, authority: in_authority, prefix: above, .. })
                if (cloud, authority) == (in_cloud, in_authority) =>
            {
                beneath(prefix, above)
            }
            _ => None,
        }
    }
}

/// The rest of `prefix` behind `above`, if whole parts of it make that.
fn beneath(prefix: &str, above: &str) -> Option<String> {
    let rest = prefix.strip_prefix(above)?;
    let whole = above.is_empty() || rest.is_empty() || rest.starts_with('/');
    whole.then(|| rest.trim_start_matches('/').to_owned())
}

fn join(scheme: &str, authority: &str, prefix: &str) -> String {
    let separator = if prefix.is_empty() { "" } else { "/" };
    format!("{scheme}://{authority}{separator}{}", encode(prefix.as_bytes()))
}

/// The scheme and what follows `://`, if there is a scheme.
fn split_scheme(url: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let valid = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    valid.then_some((scheme, rest))
}

/// `url` without what may be a password before an `@`.
fn redact(url: &str) -> String {
    match split_scheme(url).and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://…@{rest}"),
        None => url.to_owned(),
    }
}

fn local(url: &str, authority: &str, path: &str) -> Result<Location> {
    if !authority.is_empty() && !authority.eq_ignore_ascii_case("localhost") {
        bail!(
            InvalidArgument,
            "the URL {url:?} names the host {authority:?}: a local path is written file:///absolute/path, with three slashes"
        );
    }
    if path.is_empty() {
        bail!(InvalidArgument, "the URL {url:?} has no path");
    }
    let path = decode(url, path)?;
    if path.split(|b| *b == b'/').any(|part| part == b"..") {
        bail!(InvalidArgument, "the URL {url:?} contains `..`");
    }
    Ok(Location::Local(absolute(Path::new(&std::ffi::OsString::from_vec(path)))?))
}

/// `path` from the root of the file system, without repeated or trailing slashes and without `.` and `..`. What a `..` means
/// depends on symbolic links, so what stands before one must exist.
fn absolute(path: &Path) -> Result<PathBuf> {
    let whole = std::path::absolute(path)
        .map_err(|e| err!(InvalidArgument, "the path {path:?} cannot be made absolute (is the working directory gone?): {e}"))?;
    let parts: Vec<Component<'_>> = whole.components().collect();
    let Some(last) = parts.iter().rposition(|part| *part == Component::ParentDir) else {
        return Ok(parts.iter().collect());
    };
    let above: PathBuf = parts[..=last].iter().collect();
    let above = above.canonicalize().map_err(|e| err!(InvalidArgument, "the path {path:?} cannot be resolved at its last `..`: {e}"))?;
    Ok(parts[last + 1..].iter().fold(above, |path, part| path.join(part)))
}

fn bucket(url: &str, authority: &str, what: &str) -> Result<String> {
    if authority.is_empty() {
        bail!(InvalidArgument, "the URL {url:?} has no {what}");
    }
    if authority.contains('@') {
        bail!(InvalidArgument, "the URL {:?} carries credentials: pass them as settings", redact(url));
    }
    let dots = authority.chars().all(|c| c == '.');
    if dots || !authority.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')) {
        bail!(InvalidArgument, "the URL {url:?} has {authority:?} as its {what}: only letters, digits and `-_.` are allowed");
    }
    Ok(authority.to_owned())
}

/// An Azure container, or `container@account.host`.
fn container(url: &str, authority: &str) -> Result<String> {
    match authority.split_once('@') {
        Some((container, host)) => Ok(format!("{}@{}", bucket(url, container, "container")?, bucket(url, host, "host")?)),
        None => bucket(url, authority, "container"),
    }
}

fn prefix(url: &str, path: &str) -> Result<String> {
    let path = String::from_utf8(decode(url, path)?).map_err(|_| err!(InvalidArgument, "the URL {url:?} is not UTF-8 once decoded"))?;
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    if let Some(part) = parts.iter().find(|part| matches!(**part, "." | "..")) {
        bail!(InvalidArgument, "the URL {url:?} contains `{part}`");
    }
    if path.chars().any(|c| c.is_ascii_control()) {
        bail!(InvalidArgument, "the URL {url:?} contains a control character");
    }
    Ok(parts.join("/"))
}

/// `text` with its percent escapes decoded.
fn decode(url: &str, text: &str) -> Result<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            decoded.push(first);
            continue;
        }
        let digit = |i: usize| tail.get(i).and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(0), digit(1)) else {
            bail!(InvalidArgument, "the URL {url:?} has a `%` that begins no escape (a literal `%` is written %25)");
        };
        let byte = (high * 16 + low) as u8;
        if byte == 0 {
            bail!(InvalidArgument, "the URL {url:?} contains a NUL byte");
        }
        decoded.push(byte);
        rest = &tail[2..];
    }
    Ok(decoded)
}

/// `bytes` with everything escaped that is not plain in a URL's path.
fn encode(bytes: &[u8]) -> String {
    let mut encoded = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"/-_.~!$&'()*+,;=:@".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Backends take paths as they are, whatever URLs make of them.
    #[test]
    fn what_is_within_a_root_is_not_encoded() {
        let within = |root: &str, url: &str| Location::parse(url).unwrap().within(&Location::parse(root).unwrap());
        for (root, url, rest) in [
            ("/data", "/data/a b/é", Some("a b/é")),
            ("/data", "file:///data/a%20b/%C3%A9", Some("a b/é")),
            ("/data", "/data", Some("")),
            ("/data", "/database", None),
            ("memory://x/a", "memory://x/a/b%20c", Some("b c")),
            ("memory://x/a", "memory://y/a/b", None),
        ] {
            assert_eq!(within(root, url).as_deref(), rest, "{url} in {root}");
        }
    }
}
