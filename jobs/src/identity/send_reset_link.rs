//! `identity.send_reset_link`: is there anybody at this address, and if so, write to them (AUTH-09). The job's own number names
//! the letter: a second run finds the address forgotten, or the message written, and leaves its link alone.

use crate::Context;
use mywork::{
    db::Actor,
    identity::{jobs::SendResetLink, reset_password},
};
use mywork_queue::Outcome;

pub async fn run(job: SendResetLink, cx: Context) -> mywork_queue::Result {
    let mut tx = cx.state.db.begin(Actor::System).await?;
    let address = match job {
        SendResetLink::Asked { request } => reset_password::take(&mut tx, request).await?,
        SendResetLink::Typed { email } => Some(email),
    };
    let Some(address) = address else { return Ok(Outcome::Done) };
    reset_password::send_link(&mut tx, &address, &cx.job.to_string(), cx.state.clock.now()).await?;
    tx.commit().await?;
    Ok(Outcome::Done)
}
