//! s3s-fs as it is, less four differences from real storage that our client would notice: it lists parts without their
//! ETags, completes an upload whatever ETags it is given, answers 403 for an upload that is gone, and has no CORS rules.

use super::cors::{Rule, Rules};
use s3s::{S3, S3Request, S3Response, S3Result, crypto::Checksum, dto::*, s3_error};
use s3s_fs::FileSystem;
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

pub(super) struct Disk {
    files: FileSystem,
    folder: PathBuf,
    rules: Rules,
    /// ETags of parts that arrived since the start, by upload and number; of older ones they are computed again.
    etags: Mutex<HashMap<(String, i32), ETag>>,
}

impl Disk {
    pub fn new(files: FileSystem, folder: PathBuf, rules: Rules) -> Self {
        Self { files, folder, rules, etags: Mutex::default() }
    }

    fn check_upload(&self, upload_id: &str) -> S3Result<()> {
        // Ids are UUIDs, so nothing else gets into a path.
        let known = uuid::Uuid::parse_str(upload_id).is_ok_and(|id| self.folder.join(format!(".upload-{id}.json")).exists());
        if known { Ok(()) } else { Err(s3_error!(NoSuchUpload, "The specified upload does not exist.")) }
    }

    async fn etag(&self, upload_id: &str, number: i32) -> S3Result<ETag> {
        if let Some(known) = self.lock().get(&(upload_id.to_owned(), number)) {
            return Ok(known.clone());
        }
        let path = self.folder.join(format!(".upload_id-{upload_id}.part-{number}"));
        let computed = tokio::task::spawn_blocking(move || md5(&path))
            .await
            .map_err(|error| s3_error!(InternalError, "{error}"))?
            .map_err(|_| s3_error!(InvalidPart, "One or more of the specified parts could not be found."))?;
        let etag = ETag::Strong(computed);
        self.lock().insert((upload_id.to_owned(), number), etag.clone());
        Ok(etag)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, i32), ETag>> {
        self.etags.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, upload_id: &str) {
        self.lock().retain(|(upload, _), _| upload != upload_id);
    }
}

fn md5(path: &Path) -> std::io::Result<String> {
    let mut hash = s3s::crypto::Md5::new();
    let mut file = std::fs::File::open(path)?;
    let mut chunk = vec![0; 256 * 1024];
    loop {
        match std::io::Read::read(&mut file, &mut chunk)? {
            0 => return Ok(hex::encode(hash.finalize())),
            read => hash.update(&chunk[..read]),
        }
    }
}

/// Implements [`S3`] by handing the named operations to s3s-fs and adding the methods in braces.
macro_rules! on_files {
    ($($operation:ident($input:ident) -> $output:ident;)* { $($own:tt)* }) => {
        #[async_trait::async_trait]
        impl S3 for Disk {
            $(
                async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                    self.files.$operation(request).await
                }
            )*
            $($own)*
        }
    };
}

on_files! {
    create_bucket(CreateBucketInput) -> CreateBucketOutput;
    copy_object(CopyObjectInput) -> CopyObjectOutput;
    delete_bucket(DeleteBucketInput) -> DeleteBucketOutput;
    delete_object(DeleteObjectInput) -> DeleteObjectOutput;
    delete_objects(DeleteObjectsInput) -> DeleteObjectsOutput;
    get_bucket_location(GetBucketLocationInput) -> GetBucketLocationOutput;
    get_object(GetObjectInput) -> GetObjectOutput;
    head_bucket(HeadBucketInput) -> HeadBucketOutput;
    head_object(HeadObjectInput) -> HeadObjectOutput;
    list_buckets(ListBucketsInput) -> ListBucketsOutput;
    list_objects(ListObjectsInput) -> ListObjectsOutput;
    list_objects_v2(ListObjectsV2Input) -> ListObjectsV2Output;
    put_object(PutObjectInput) -> PutObjectOutput;
    create_multipart_upload(CreateMultipartUploadInput) -> CreateMultipartUploadOutput;
    upload_part_copy(UploadPartCopyInput) -> UploadPartCopyOutput;
    {
        async fn upload_part(&self, request: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
            self.check_upload(&request.input.upload_id)?;
            let part = (request.input.upload_id.clone(), request.input.part_number);
            let response = self.files.upload_part(request).await?;
            if let Some(etag) = &response.output.e_tag {
                self.lock().insert(part, etag.clone());
            }
            Ok(response)
        }

        async fn list_parts(&self, request: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
            self.check_upload(&request.input.upload_id)?;
            let upload_id = request.input.upload_id.clone();
            let mut response = self.files.list_parts(request).await?;
            for part in response.output.parts.iter_mut().flatten() {
                part.e_tag = Some(self.etag(&upload_id, part.part_number.unwrap_or_default()).await?);
            }
            Ok(response)
        }

        async fn complete_multipart_upload(
            &self,
            request: S3Request<CompleteMultipartUploadInput>,
        ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
            let upload_id = request.input.upload_id.clone();
            self.check_upload(&upload_id)?;
            for part in request.input.multipart_upload.iter().flat_map(|upload| upload.parts.iter().flatten()) {
                let arrived = self.etag(&upload_id, part.part_number.unwrap_or_default()).await?;
                if part.e_tag.as_ref().is_none_or(|given| given.value() != arrived.value()) {
                    return Err(s3_error!(InvalidPart, "The ETag of part {} is another.", part.part_number.unwrap_or_default()));
                }
            }
            let response = self.files.complete_multipart_upload(request).await?;
            self.forget(&upload_id);
            Ok(response)
        }

        async fn abort_multipart_upload(
            &self,
            request: S3Request<AbortMultipartUploadInput>,
        ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
            let upload_id = request.input.upload_id.clone();
            self.check_upload(&upload_id)?;
            let response = self.files.abort_multipart_upload(request).await?;
            self.forget(&upload_id);
            Ok(response)
        }

        async fn put_bucket_cors(&self, request: S3Request<PutBucketCorsInput>) -> S3Result<S3Response<PutBucketCorsOutput>> {
            let rules = request.input.cors_configuration.cors_rules.into_iter().map(Rule::from).collect();
            self.rules.set(&request.input.bucket, rules).map_err(|error| s3_error!(InternalError, "{error}"))?;
            Ok(S3Response::new(PutBucketCorsOutput::default()))
        }

        async fn get_bucket_cors(&self, request: S3Request<GetBucketCorsInput>) -> S3Result<S3Response<GetBucketCorsOutput>> {
            let rules = self.rules.of(&request.input.bucket);
            if rules.is_empty() {
                return Err(s3_error!(NoSuchCORSConfiguration, "The CORS configuration does not exist"));
            }
            Ok(S3Response::new(GetBucketCorsOutput { cors_rules: Some(rules.into_iter().map(CORSRule::from).collect()) }))
        }

        async fn delete_bucket_cors(&self, request: S3Request<DeleteBucketCorsInput>) -> S3Result<S3Response<DeleteBucketCorsOutput>> {
            self.rules.set(&request.input.bucket, Vec::new()).map_err(|error| s3_error!(InternalError, "{error}"))?;
            Ok(S3Response::new(DeleteBucketCorsOutput::default()))
        }
    }
}
