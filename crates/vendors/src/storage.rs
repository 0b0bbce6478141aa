//! Files in an S3 bucket: Cloudflare R2 or any other in production, the sandbox's own on a laptop.
//!
//! Browsers put and get by presigned URLs, so no byte of a package passes through the web process; workers stream to a file
//! of their own. Path style and checksums only when required, because R2 knows no others. A URL signs its method, key,
//! expiry and, for an upload, type and length: anything else is answered 403 by the storage.

use aws_sdk_s3::{
    Client,
    config::{
        BehaviorVersion, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation, retry::RetryConfig,
        timeout::TimeoutConfig,
    },
    error::{ProvideErrorMetadata, SdkError},
    presigning::{PresignedRequest, PresigningConfig},
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart, CorsConfiguration, CorsRule},
};
use bytes::Bytes;
use futures::{Stream, stream};
use std::{path::Path, time::Duration};
use tokio::io::AsyncWriteExt;
use url::Url;

/// How to reach the bucket.
#[derive(Clone)]
pub struct Settings {
    /// As browsers and we reach it.
    pub endpoint: Url,
    /// `auto` for R2.
    pub region: String,
    pub bucket: String,
    pub access_key: String,
    pub secret_key: String,
}

/// Why a file could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    #[error("the storage has no {what}")]
    NotFound { what: String },
    #[error("the storage refused to {act} ({code}): {message}")]
    Refused { act: &'static str, code: String, message: String },
    #[error("the storage could not be reached or was busy while asked to {act}: {reason}")]
    Unavailable { act: &'static str, reason: String },
    #[error("the stored file is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("the local copy could not be written: {0}")]
    Disk(#[from] std::io::Error),
}

impl StorageError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Disk(_))
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }
}

/// One uploaded part of a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// From 1 to 10,000.
    pub number: i32,
    pub etag: String,
    /// In bytes.
    pub size: u64,
}

/// What the storage knows of a file without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectMeta {
    /// In bytes.
    pub size: u64,
    pub content_type: Option<String>,
    pub etag: Option<String>,
}

/// One bucket.
#[derive(Clone)]
pub struct Storage {
    client: Client,
    bucket: String,
    region: String,
}

impl Storage {
    pub fn new(settings: &Settings) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(3))
            .read_timeout(Duration::from_secs(30))
            // Completing or copying 500 MB takes its time on the storage side.
            .operation_attempt_timeout(Duration::from_secs(60))
            .operation_timeout(Duration::from_secs(120))
            .build();
        let config = aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(settings.region.clone()))
            .endpoint_url(settings.endpoint.as_str().trim_end_matches('/'))
            .force_path_style(true)
            .credentials_provider(Credentials::new(&settings.access_key, &settings.secret_key, None, None, "configuration"))
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
            .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(200)))
            .build();
        Self { client: Client::from_conf(config), bucket: settings.bucket.clone(), region: settings.region.clone() }
    }

    /// A URL under which a browser may `PUT` exactly `size` bytes of `content_type` to `key`, for `ttl`.
    pub async fn presign_put(&self, key: &str, content_type: &str, size: u64, ttl: Duration) -> Result<Url, StorageError> {
        let act = "sign an upload";
        let request =
            self.client.put_object().bucket(&self.bucket).key(key).content_type(content_type).content_length(signed(size));
        url_of(request.presigned(expiry(ttl, act)?).await.map_err(|e| failure(act, key, e))?, act)
    }

    /// A URL under which a browser may `GET` the file, for `ttl`; with a file name it is saved under that name.
    pub async fn presign_get(&self, key: &str, file_name: Option<&str>, ttl: Duration) -> Result<Url, StorageError> {
        let act = "sign a download";
        let request =
            self.client.get_object().bucket(&self.bucket).key(key).set_response_content_disposition(file_name.map(attachment));
        url_of(request.presigned(expiry(ttl, act)?).await.map_err(|e| failure(act, key, e))?, act)
    }

    /// Begins an upload in parts and returns its id.
    pub async fn create_multipart(&self, key: &str, content_type: &str) -> Result<String, StorageError> {
        let act = "begin an upload in parts";
        let begun = self
            .client
            .create_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .send()
            .await
            .map_err(|e| failure(act, key, e))?;
        begun.upload_id.ok_or_else(|| StorageError::Unavailable { act, reason: "the answer carries no upload id".into() })
    }

    /// A URL under which a browser may `PUT` exactly `size` bytes as part `number`, for `ttl`.
    pub async fn presign_part(
        &self,
        key: &str,
        upload_id: &str,
        number: i32,
        size: u64,
        ttl: Duration,
    ) -> Result<Url, StorageError> {
        let act = "sign the upload of a part";
        let request = self.client.upload_part().bucket(&self.bucket).key(key).upload_id(upload_id).part_number(number);
        let request = request.content_length(signed(size));
        url_of(request.presigned(expiry(ttl, act)?).await.map_err(|e| failure(act, key, e))?, act)
    }

    /// The parts that have arrived, by number.
    pub async fn list_parts(&self, key: &str, upload_id: &str) -> Result<Vec<Part>, StorageError> {
        let mut parts = Vec::new();
        let mut marker: Option<String> = None;
        loop {
            let page = self
                .client
                .list_parts()
                .bucket(&self.bucket)
                .key(key)
                .upload_id(upload_id)
                .set_part_number_marker(marker.take())
                .send()
                .await
                .map_err(|e| failure("list the parts of an upload", key, e))?;
            parts.extend(page.parts().iter().map(|part| Part {
                number: part.part_number().unwrap_or_default(),
                etag: part.e_tag().unwrap_or_default().to_owned(),
                size: unsigned(part.size()),
            }));
            match page.next_part_number_marker {
                Some(next) if page.is_truncated == Some(true) => marker = Some(next),
                _ => break,
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// Makes the file of its parts.
    pub async fn complete_multipart(&self, key: &str, upload_id: &str, parts: &[Part]) -> Result<(), StorageError> {
        let mut sorted: Vec<&Part> = parts.iter().collect();
        sorted.sort_by_key(|part| part.number);
        let completed =
            sorted.into_iter().map(|part| CompletedPart::builder().part_number(part.number).e_tag(&part.etag).build()).collect();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(key)
            .upload_id(upload_id)
            .multipart_upload(CompletedMultipartUpload::builder().set_parts(Some(completed)).build())
            .send()
            .await
            .map_err(|e| failure("complete an upload", key, e))?;
        Ok(())
    }

    /// Throws the parts away. An upload that is already gone is no failure.
    pub async fn abort_multipart(&self, key: &str, upload_id: &str) -> Result<(), StorageError> {
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(key).upload_id(upload_id);
        match request.send().await.map_err(|e| failure("abandon an upload", key, e)) {
            Err(error) if error.is_not_found() => Ok(()),
            outcome => outcome.map(|_| ()),
        }
    }

    /// What is stored under `key`, if anything.
    pub async fn head(&self, key: &str) -> Result<Option<ObjectMeta>, StorageError> {
        let found = self.client.head_object().bucket(&self.bucket).key(key).send().await;
        match found.map_err(|e| failure("look at a file", key, e)) {
            Ok(object) => Ok(Some(ObjectMeta {
                size: unsigned(object.content_length()),
                content_type: object.content_type,
                etag: object.e_tag,
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Copies a file inside the storage; the bytes do not pass through us.
    pub async fn copy(&self, from: &str, to: &str) -> Result<(), StorageError> {
        let source = format!("{}/{}", self.bucket, path_encoded(from));
        self.client
            .copy_object()
            .bucket(&self.bucket)
            .key(to)
            .copy_source(source)
            .send()
            .await
            .map_err(|e| failure("copy a file", from, e))?;
        Ok(())
    }

    /// The file's bytes as they arrive.
    pub async fn get(&self, key: &str) -> Result<impl Stream<Item = Result<Bytes, StorageError>> + Send + use<>, StorageError> {
        let body = self.open(key).await?;
        Ok(stream::try_unfold(body, async |mut body: ByteStream| {
            let next = body.try_next().await.map_err(interrupted)?;
            Ok(next.map(|chunk| (chunk, body)))
        }))
    }

    /// Streams the file to `path`, which is created or overwritten, and returns its size in bytes.
    pub async fn download_to(&self, key: &str, path: &Path) -> Result<u64, StorageError> {
        let mut body = self.open(key).await?;
        let mut file = tokio::io::BufWriter::with_capacity(256 * 1024, tokio::fs::File::create(path).await?);
        let mut written = 0;
        while let Some(chunk) = body.try_next().await.map_err(interrupted)? {
            file.write_all(&chunk).await?;
            written += chunk.len() as u64;
        }
        file.flush().await?;
        Ok(written)
    }

    /// The whole file in memory, refused beyond `limit` bytes.
    pub async fn get_bytes(&self, key: &str, limit: u64) -> Result<Bytes, StorageError> {
        let mut body = self.open(key).await?;
        let mut bytes = Vec::new();
        while let Some(chunk) = body.try_next().await.map_err(interrupted)? {
            if bytes.len() as u64 + chunk.len() as u64 > limit {
                return Err(StorageError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(bytes.into())
    }

    pub async fn put(&self, key: &str, bytes: Bytes, content_type: &str) -> Result<(), StorageError> {
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .content_type(content_type)
            .body(bytes.into())
            .send()
            .await
            .map_err(|e| failure("store a file", key, e))?;
        Ok(())
    }

    /// Removes the file. One that is already gone is no failure.
    pub async fn delete(&self, key: &str) -> Result<(), StorageError> {
        match self.client.delete_object().bucket(&self.bucket).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) => match failure("remove a file", key, error) {
                error if error.is_not_found() => Ok(()),
                error => Err(error),
            },
        }
    }

    /// Makes the bucket where it is missing, and lets pages of `origins` upload to it and read the ETag of what they put.
    /// Can be repeated.
    pub async fn prepare(&self, origins: &[&str]) -> Result<(), StorageError> {
        if let Err(missing) = self.ping().await {
            if !missing.is_not_found() {
                return Err(missing);
            }
            self.create_bucket().await?;
        }
        let act = "set the cross-origin rules";
        let unusable = |error: aws_sdk_s3::error::BuildError| StorageError::Refused {
            act,
            code: "InvalidRule".into(),
            message: error.to_string(),
        };
        let rule = CorsRule::builder()
            .set_allowed_origins(Some(origins.iter().map(|origin| (*origin).to_owned()).collect()))
            .set_allowed_methods(Some(["GET", "HEAD", "PUT"].map(str::to_owned).into()))
            .allowed_headers("content-type")
            .expose_headers("ETag")
            .max_age_seconds(3600)
            .build()
            .map_err(unusable)?;
        let rules = CorsConfiguration::builder().cors_rules(rule).build().map_err(unusable)?;
        self.client
            .put_bucket_cors()
            .bucket(&self.bucket)
            .cors_configuration(rules)
            .send()
            .await
            .map_err(|e| failure(act, &self.bucket, e))?;
        Ok(())
    }

    async fn create_bucket(&self) -> Result<(), StorageError> {
        use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
        // Amazon wants the region spelt out everywhere but in its first; R2 (`auto`) and others want nothing.
        let place = (!matches!(self.region.as_str(), "auto" | "us-east-1")).then(|| {
            CreateBucketConfiguration::builder().location_constraint(BucketLocationConstraint::from(self.region.as_str())).build()
        });
        let request = self.client.create_bucket().bucket(&self.bucket).set_create_bucket_configuration(place);
        match request.send().await.map_err(|e| failure("create the bucket", &self.bucket, e)) {
            // Two processes start at once: the other one was first.
            Err(StorageError::Refused { code, .. }) if code == "BucketAlreadyOwnedByYou" || code == "BucketAlreadyExists" => {
                Ok(())
            }
            outcome => outcome.map(|_| ()),
        }
    }

    /// Whether the storage answers, knows our key and has the bucket.
    pub async fn ping(&self) -> Result<(), StorageError> {
        self.client
            .head_bucket()
            .bucket(&self.bucket)
            .send()
            .await
            .map_err(|e| failure("look at the bucket", &self.bucket, e))?;
        Ok(())
    }

    async fn open(&self, key: &str) -> Result<ByteStream, StorageError> {
        let object =
            self.client.get_object().bucket(&self.bucket).key(key).send().await.map_err(|e| failure("read a file", key, e))?;
        Ok(object.body)
    }
}

/// Sorts an error of the library: absent, refused for good, or worth another try.
fn failure<E>(act: &'static str, what: &str, error: SdkError<E>) -> StorageError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = error.raw_response().map(|response| response.status().as_u16());
    let code = error.code().unwrap_or_default().to_owned();
    match (status, code.as_str()) {
        (_, "NoSuchKey" | "NoSuchBucket" | "NoSuchUpload" | "NotFound") | (Some(404), _) => {
            StorageError::NotFound { what: what.to_owned() }
        }
        (Some(408 | 429 | 500..=599) | None, _) | (_, "SlowDown" | "RequestTimeout" | "OperationAborted") => {
            StorageError::Unavailable { act, reason: aws_sdk_s3::error::DisplayErrorContext(&error).to_string() }
        }
        (Some(status), _) => {
            let message = error.message().unwrap_or("no reason was given").to_owned();
            StorageError::Refused { act, code: if code.is_empty() { status.to_string() } else { code }, message }
        }
    }
}

fn interrupted(error: aws_sdk_s3::primitives::ByteStreamError) -> StorageError {
    StorageError::Unavailable { act: "read a file", reason: error.to_string() }
}

fn expiry(ttl: Duration, act: &'static str) -> Result<PresigningConfig, StorageError> {
    PresigningConfig::expires_in(ttl).map_err(|error| StorageError::Refused {
        act,
        code: "InvalidExpiry".into(),
        message: error.to_string(),
    })
}

fn url_of(request: PresignedRequest, act: &'static str) -> Result<Url, StorageError> {
    Url::parse(request.uri()).map_err(|error| StorageError::Refused {
        act,
        code: "InvalidUrl".into(),
        message: error.to_string(),
    })
}

/// S3 counts in signed numbers.
fn signed(size: u64) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

fn unsigned(size: Option<i64>) -> u64 {
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or_default()
}

/// A `Content-Disposition` that saves under `name`: plain ASCII for old programs, RFC 5987 for the rest.
fn attachment(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/' | '%') || c == ' ' { c } else { '_' })
        .collect();
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{}", percent_encoded(name, ""))
}

fn path_encoded(key: &str) -> String {
    percent_encoded(key, "/")
}

fn percent_encoded(text: &str, also_plain: &str) -> String {
    use std::fmt::Write;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) || also_plain.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").expect("writing to a string does not fail");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_sign_key_method_expiry_type_and_length() {
        let storage = Storage::new(&Settings {
            endpoint: "http://127.0.0.1:9/".parse().unwrap(),
            region: "auto".into(),
            bucket: "files".into(),
            access_key: "key".into(),
            secret_key: "secret".into(),
        });
        let put = storage.presign_put("a/b c.zip", "application/zip", 5, Duration::from_secs(60)).await.unwrap();
        assert_eq!(put.path(), "/files/a/b%20c.zip");
        let query: std::collections::HashMap<_, _> = put.query_pairs().collect();
        assert_eq!(query["X-Amz-SignedHeaders"], "content-length;content-type;host");
        assert_eq!(query["X-Amz-Expires"], "60");
        let get = storage.presign_get("a", Some("Ü \"1\".zip"), Duration::from_secs(60)).await.unwrap();
        let query: std::collections::HashMap<_, _> = get.query_pairs().collect();
        assert_eq!(
            query["response-content-disposition"],
            "attachment; filename=\"_ _1_.zip\"; filename*=UTF-8''%C3%9C%20%221%22.zip"
        );
        let too_long = storage.presign_get("a", None, Duration::from_secs(8 * 24 * 3600)).await;
        assert!(matches!(too_long, Err(StorageError::Refused { .. })));
    }
}
