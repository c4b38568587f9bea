//! `token reset --profile`: drives the reset of a whole profile step by step, with a bar, until it is done
//! or somebody interrupts it. Whoever comes later may go on, or cancel.

use serde_json::{Value, json};
use tokio::signal;

use super::commands::BulkArgs;
use super::link::{Link, segment};
use super::progress::Progress;
use crate::exit::{Exit, Failure};
use crate::out::{Column, Out};

const COLUMNS: &[Column] = &[
    ("ID", "id"),
    ("PROFILE", "profile"),
    ("DEVICE TYPE", "device_type"),
    ("SCOPE", "scope"),
    ("STATE", "state"),
    ("USERS", "users"),
    ("DONE", "done"),
    ("PASSED OVER", "passed_over"),
    ("BEGUN", "created_at"),
];

/// Begins, goes on with or cancels a bulk reset, or tells what one would do.
pub(super) async fn reset(
    link: &Link,
    out: Out,
    bulk: &BulkArgs,
    mut asked: Value,
    dry_run: bool,
) -> Result<(), Failure> {
    if let Some(id) = &bulk.cancel {
        let stands = link.delete(&path_of(id)).await?;
        return out.data(&stands, |stands| {
            format!(
                "Cancelled: {} reset and stay so, {} passed over.",
                stands["done"], stands["passed_over"]
            )
        });
    }
    if let Some(id) = &bulk.resume {
        return drive(link, out, id.clone()).await;
    }
    asked["profile"] = json!(bulk.profile);
    asked["dry_run"] = json!(dry_run);
    let begun = link.post("/bulk-resets", asked).await?;
    if dry_run {
        return out.data(&begun, |forecast| {
            format!(
                "{} users of the profile, of whom {} would be passed over; {} live tokens would end.",
                forecast["users"], forecast["passed_over"], forecast["tokens"]
            )
        });
    }
    let id = begun["id"].as_str().unwrap_or_default().to_owned();
    drive(link, out, id).await
}

/// Lists bulk resets, the latest first.
pub(super) async fn list(link: &Link, out: Out) -> Result<(), Failure> {
    out.rows(&link.get("/bulk-resets").await?, COLUMNS)
}

async fn drive(link: &Link, out: Out, id: String) -> Result<(), Failure> {
    let progress = Progress::of(out);
    let step = format!("{}/step", path_of(&id));
    let interrupted = signal::ctrl_c();
    tokio::pin!(interrupted);
    loop {
        // A step that has been asked for comes to its end on the server, whoever hears of it.
        let stepped = tokio::select! {
            stepped = link.post(&step, json!({})) => stepped,
            _ = &mut interrupted => Err(Failure::new(Exit::Failed, "interrupted")),
        };
        let stands = match stepped {
            Ok(stands) => stands,
            Err(failure) => {
                progress.clear();
                return Err(stopped(failure, &id));
            }
        };
        let (done, passed_over) = (&stands["done"], &stands["passed_over"]);
        if stands["state"] == "done" {
            progress.clear();
            return out.data(&stands, |_| {
                format!("Done: {done} reset, {passed_over} passed over. The new tokens are mailed.")
            });
        }
        let number = |value: &Value| value.as_u64().unwrap_or(0);
        let so_far = number(done) + number(passed_over);
        progress.draw(
            so_far,
            number(&stands["users"]),
            &format!("users, {passed_over} passed over"),
        );
    }
}

/// The failure, with what can be done now, in one line.
fn stopped(failure: Failure, id: &str) -> Failure {
    let Failure { exit, reason } = failure;
    let told = format!(
        "{reason}; who was reset stays so: go on with `symbolon token reset --resume {id}`, or end it with \
         `symbolon token reset --cancel {id}`"
    );
    Failure::new(exit, told)
}

fn path_of(id: &str) -> String {
    format!("/bulk-resets/{}", segment(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_broke_off_is_told_in_one_line_with_both_ways_on() {
        let stopped = stopped(Failure::new(Exit::Failed, "interrupted"), "0Tx");

        assert_eq!(
            stopped.reason,
            "interrupted; who was reset stays so: go on with `symbolon token reset --resume 0Tx`, or end \
             it with `symbolon token reset --cancel 0Tx`"
        );
    }
}
