//! The settings of a session's stores: text keys and values, checked when they are set.
//!
//! | key | default | meaning |
//! | --- | --- | --- |
//! | `weir_fsync` | `true` | local files: sync each object and its directory before a create returns |
//! | `weir_request_timeout_ms` | 30000 | clouds: limit of one request, its body included |
//! | `weir_connect_timeout_ms` | 5000 | clouds: limit of connecting |
//! | `weir_store_max_retries` | 3 | clouds: how often a request that failed is made again |
//! | `weir_store_retry_timeout_ms` | 30000 | clouds: no such retry begins later than this |
//! | `weir_simulated_latency_ms` | 0 | any store: wait this long before every request, to try out a slow one |
//!
//! All others are those of `object_store`: `aws_…`, `google_…`, `azure_…` and those of its HTTP client. Where a cloud's setting
//! is not given, the environment variable of that name (in capitals) counts.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::error::{Result, bail, err};

/// weir's own keys.
const WEIR: &[&str] = &[
    "weir_connect_timeout_ms",
    "weir_fsync",
    "weir_request_timeout_ms",
    "weir_simulated_latency_ms",
    "weir_store_max_retries",
    "weir_store_retry_timeout_ms",
];

/// Keys of the HTTP client, for every cloud.
const CLIENT: &[&str] = &[
    "allow_http",
    "allow_invalid_certificates",
    "connect_timeout",
    "default_content_type",
    "disable_system_certificates",
    "http1_only",
    "http2_keep_alive_interval",
    "http2_keep_alive_timeout",
    "http2_keep_alive_while_idle",
    "http2_max_frame_size",
    "http2_only",
    "pool_idle_timeout",
    "pool_max_idle_per_host",
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "randomize_addresses",
    "read_timeout",
    "timeout",
    "user_agent",
];

/// Keys of S3.
const AWS: &[&str] = &[
    "aws_access_key_id",
    "aws_bucket",
    "aws_checksum_algorithm",
    "aws_conditional_put",
    "aws_container_authorization_token_file",
    "aws_container_credentials_full_uri",
    "aws_container_credentials_relative_uri",
    "aws_copy_if_not_exists",
    "aws_default_region",
    "aws_disable_bulk_delete",
    "aws_disable_tagging",
    "aws_endpoint",
    "aws_endpoint_url_s3",
    "aws_endpoint_url_sts",
    "aws_imdsv1_fallback",
    "aws_metadata_endpoint",
    "aws_region",
    "aws_request_payer",
    "aws_role_arn",
    "aws_role_session_name",
    "aws_s3_express",
    "aws_secret_access_key",
    "aws_server_side_encryption",
    "aws_session_token",
    "aws_skip_signature",
    "aws_sse_bucket_key_enabled",
    "aws_sse_customer_key_base64",
    "aws_sse_kms_key_id",
    "aws_unsigned_payload",
    "aws_virtual_hosted_style_request",
    "aws_web_identity_token_file",
];

/// Keys of Google Cloud Storage.
const GOOGLE: &[&str] = &[
    "google_application_credentials",
    "google_base_url",
    "google_bearer_token",
    "google_bucket",
    "google_service_account",
    "google_service_account_key",
    "google_skip_signature",
];

/// Keys of Azure Blob Storage.
const AZURE: &[&str] = &[
    "azure_container_name",
    "azure_credential_type",
    "azure_disable_tagging",
    "azure_fabric_cluster_identifier",
    "azure_fabric_session_token",
    "azure_fabric_token_service_url",
    "azure_fabric_workload_host",
    "azure_federated_token_file",
    "azure_msi_endpoint",
    "azure_msi_resource_id",
    "azure_object_id",
    "azure_skip_signature",
    "azure_storage_account_key",
    "azure_storage_account_name",
    "azure_storage_authority_host",
    "azure_storage_client_id",
    "azure_storage_client_secret",
    "azure_storage_encryption_key",
    "azure_storage_endpoint",
    "azure_storage_sas_key",
    "azure_storage_tenant_id",
    "azure_storage_token",
    "azure_storage_use_emulator",
    "azure_use_azure_cli",
    "azure_use_fabric_endpoint",
];

/// Checked settings. Keys are kept in lower case; the settings of a cloud that a URL does not name are allowed and ignored, so
/// that one set serves a whole session.
#[derive(Clone, Default)]
pub struct Settings {
    pairs: BTreeMap<String, String>,
    pub(crate) fsync: Option<bool>,
    pub(crate) request_timeout: Option<Duration>,
    pub(crate) connect_timeout: Option<Duration>,
    pub(crate) simulated_latency: Duration,
    pub(crate) max_retries: Option<usize>,
    pub(crate) retry_timeout: Option<Duration>,
}

impl std::fmt::Debug for Settings {
    /// Names the keys only: values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.pairs.keys()).finish()
    }
}

impl Settings {
    /// Checks the keys of `pairs`, and the values of weir's own. Of two pairs with one key, the later counts.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Result<Self> {
        let mut settings = Self::default();
        for (key, value) in pairs {
            let key = key.to_ascii_lowercase();
            if !settings.set_own(&key, &value)? && !known_elsewhere(&key) {
                bail!(InvalidArgument, "the setting {key:?} is not known; known are: {}", Self::known_keys().join(", "));
            }
            settings.pairs.insert(key, value);
        }
        Ok(settings)
    }

    /// Every key there is, in its principal spelling. (Clouds accept shorter ones too, such as `access_key_id`.)
    #[must_use]
    pub fn known_keys() -> Vec<&'static str> {
        let mut keys = WEIR.to_vec();
        if cfg!(feature = "cloud") {
            keys.extend(CLIENT);
        }
        for (compiled, cloud) in [(cfg!(feature = "s3"), AWS), (cfg!(feature = "gcs"), GOOGLE), (cfg!(feature = "azure"), AZURE)] {
            if compiled {
                keys.extend(cloud);
            }
        }
        keys
    }

    /// The pairs, for a cloud's builder to pick its own.
    #[cfg_attr(not(feature = "cloud"), expect(dead_code))]
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// Sets one of weir's own keys; says whether `key` is one.
    fn set_own(&mut self, key: &str, value: &str) -> Result<bool> {
        match key {
            "weir_fsync" => self.fsync = Some(parse(key, value, "true or false")?),
            "weir_request_timeout_ms" => self.request_timeout = Some(millis(key, value, 1)?),
            "weir_connect_timeout_ms" => self.connect_timeout = Some(millis(key, value, 1)?),
            "weir_simulated_latency_ms" => self.simulated_latency = millis(key, value, 0)?,
            "weir_store_retry_timeout_ms" => self.retry_timeout = Some(millis(key, value, 0)?),
            "weir_store_max_retries" => self.max_retries = Some(usize::from(parse::<u16>(key, value, "a number from 0 to 65535")?)),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn parse<T: FromStr>(key: &str, value: &str, wanted: &str) -> Result<T> {
    value.trim().parse().map_err(|_| err!(InvalidArgument, "the setting {key} must be {wanted}, not {value:?}"))
}

/// A duration of `least` milliseconds to a day.
fn millis(key: &str, value: &str, least: u64) -> Result<Duration> {
    const DAY: u64 = 24 * 60 * 60 * 1000;
    let wanted = format!("a number of milliseconds from {least} to {DAY}");
    let millis: u64 = parse(key, value, &wanted)?;
    if !(least..=DAY).contains(&millis) {
        bail!(InvalidArgument, "the setting {key} must be {wanted}, not {value:?}");
    }
    Ok(Duration::from_millis(millis))
}

/// Whether a cloud that is compiled in, or its HTTP client, knows `key`.
fn known_elsewhere(key: &str) -> bool {
    #[cfg(feature = "s3")]
    if object_store::aws::AmazonS3ConfigKey::from_str(key).is_ok() {
        return true;
    }
    #[cfg(feature = "gcs")]
    if object_store::gcp::GoogleConfigKey::from_str(key).is_ok() {
        return true;
    }
    #[cfg(feature = "azure")]
    if object_store::azure::AzureConfigKey::from_str(key).is_ok() {
        return true;
    }
    // Settings are for a whole session, so those of a cloud that this build lacks do no harm.
    [CLIENT, AWS, GOOGLE, AZURE].iter().any(|keys| keys.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_listed_is_accepted() {
        for key in [CLIENT, AWS, GOOGLE, AZURE].concat() {
            Settings::new([(key.to_owned(), "x".to_owned())]).unwrap_or_else(|e| panic!("{key}: {e}"));
        }
        for key in WEIR {
            let value = if *key == "weir_fsync" { "true" } else { "1" };
            Settings::new([((*key).to_owned(), value.to_owned())]).unwrap_or_else(|e| panic!("{key}: {e}"));
        }
        assert!(Settings::known_keys().len() >= WEIR.len());
    }

    /// A typo in our lists would be accepted by the lists themselves: ask the clouds.
    #[cfg(all(feature = "s3", feature = "gcs", feature = "azure"))]
    #[test]
    fn every_key_listed_is_the_clouds_own_spelling() {
        for key in CLIENT {
            assert_eq!(object_store::ClientConfigKey::from_str(key).unwrap().as_ref(), *key);
        }
        for key in AWS {
            assert_eq!(object_store::aws::AmazonS3ConfigKey::from_str(key).unwrap().as_ref(), *key);
        }
        for key in GOOGLE {
            assert_eq!(object_store::gcp::GoogleConfigKey::from_str(key).unwrap().as_ref(), *key);
        }
        for key in AZURE {
            assert_eq!(object_store::azure::AzureConfigKey::from_str(key).unwrap().as_ref(), *key);
        }
    }

    #[test]
    fn values_are_not_shown() {
        let settings = Settings::new([("aws_secret_access_key".to_owned(), "hush".to_owned())]).unwrap();
        assert_eq!(format!("{settings:?}"), "{\"aws_secret_access_key\"}");
    }
}
