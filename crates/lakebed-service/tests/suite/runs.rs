//! Runs: all outputs are old or all are new, whatever dies when (P4); what was read and what ran is on
//! record; and only for those who may know (P7).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use lakebed_core::{
    DecodeOptions, EventBody, FormatName, GitState, Identity, Invocation, Program, Timestamp,
};
use lakebed_service::{
    AbortRun, BeginRun, CommitRun, Ctx, Error, IngestStatus, Lake, NoProgress, Result, RunInput,
    RunOutcome, RunOutputs, RunStanding, SeenRun, SourceInput,
};
use lakebed_testkit::TestLake;

use crate::cut_off::{self, Change};

const ORDERS: &str = "id,amount\n1,10\n2,20\n";
pub(crate) const SCORES: &str = "id,score\n1,0.5\n2,0.25\n";

pub(crate) async fn lake() -> TestLake {
    let test = TestLake::new().await;
    test.ingest("sales.orders", "orders.csv", ORDERS).await.unwrap();
    test.ingest("ml.scores", "scores.csv", "id,score\n1,0.125\n").await.unwrap();
    test
}

fn asked() -> BeginRun {
    let git = GitState { commit: "9f2c61d0".to_owned(), dirty: false };
    BeginRun {
        invocation: Invocation {
            command: vec!["python".to_owned(), "train.py".to_owned()],
            parameters: BTreeMap::from([("depth".to_owned(), "3".to_owned())]),
            git: Some(git),
            environment: None,
        },
        inputs: vec![input("sales.orders")],
        outputs: vec!["ml.scores".parse().unwrap(), "ml.model".parse().unwrap()],
        patience: None,
    }
}

fn input(reference: &str) -> RunInput {
    RunInput { reference: reference.parse().unwrap(), version_id: None }
}

fn output(test: &TestLake, dataset: &str, name: &str, bytes: &str) -> RunOutputs {
    let format = (!name.ends_with(".csv")).then_some(FormatName::Files);
    let path = test.file(name, bytes);
    RunOutputs {
        dataset: dataset.parse().unwrap(),
        sources: vec![SourceInput::Path { name: name.to_owned(), path }],
        options: DecodeOptions { format, ..DecodeOptions::default() },
    }
}

/// A table and a model, and what was printed.
fn made(test: &TestLake, scores: &str, model: &str) -> CommitRun {
    let log = test.file("log.txt", format!("trained {model}\n"));
    CommitRun {
        outputs: vec![
            output(test, "ml.scores", "scores.csv", scores),
            output(test, "ml.model", "model.pkl", model),
        ],
        started_at: None,
        ended_at: None,
        log: Some(SourceInput::Path { name: "log".to_owned(), path: log }),
    }
}

async fn commit(lake: &Lake, ctx: &Ctx, run: &str, made: CommitRun) -> Result<RunOutcome> {
    lake.commit_run(ctx, run, made, Arc::new(NoProgress)).await
}

pub(crate) async fn run(test: &TestLake, scores: &str, model: &str) -> Result<RunOutcome> {
    let begun = test.lake.begin_run(&test.ctx(), asked()).await?;
    commit(&test.lake, &test.ctx(), &begun.run, made(test, scores, model)).await
}

/// `ml.scores v2, ml.model v1`: what is newest.
async fn newest(lake: &Lake, test: &TestLake) -> String {
    let mut newest = Vec::new();
    for name in ["ml.scores", "ml.model"] {
        let found = lake.dataset(&test.ctx(), &name.parse().unwrap()).await;
        let number = found.ok().and_then(|seen| seen.record.newest).map_or(0, |v| v.number);
        newest.push(format!("{name} v{number}"));
    }
    newest.join(", ")
}

fn code<T: std::fmt::Debug>(outcome: Result<T>) -> &'static str {
    outcome.unwrap_err().code()
}

#[tokio::test]
async fn a_run_makes_all_its_versions_at_once_and_is_on_record() {
    let test = lake().await;
    let before = test.events(0, 100).await.len() as u64;
    let RunOutcome { run: seen, outputs } = run(&test, SCORES, "weights").await.unwrap();
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v2, ml.model v1");
    assert!(outputs.iter().all(|output| output.status == IngestStatus::Committed));

    let events = test.events(before, 100).await;
    let names: Vec<&str> = events.iter().map(|event| event.body.type_name()).collect();
    let expected = ["version_committed", "dataset_created", "version_committed", "run_committed"];
    assert_eq!(names, expected);
    assert!(events.iter().all(|event| event.at == events[0].at), "one commit");
    for event in &events {
        if let EventBody::VersionCommitted(version) = &event.body {
            let from = version.derived_from.iter().map(|input| input.dataset.to_string());
            assert_eq!(from.collect::<Vec<_>>(), ["sales.orders"]);
            assert_eq!(Some(version.derived_from[0].version_id), seen.inputs[0].version_id);
        }
    }

    assert_eq!((seen.standing, seen.exit_code), (RunStanding::Committed, Some(0)));
    assert_eq!(seen.invocation, Some(asked().invocation));
    assert_eq!((seen.inputs[0].number, seen.outputs.len()), (1, 2));
    let log = test.lake.run_log(&test.ctx(), &seen.run).await.unwrap();
    assert_eq!(&log[..], b"trained weights\n");

    // The versions know the program and its inputs, and no clock.
    let reference = "ml.model".parse().unwrap();
    let detail = lakebed_service::Detail::Full;
    let found = test.lake.resolve(&test.ctx(), &[reference], detail).await.unwrap();
    let manifest = found.versions[0].detail.as_ref().unwrap().manifest.clone();
    let bytes = test.lake.store().get(&manifest.program.unwrap()).await.unwrap();
    let program = Program::from_bytes(&bytes).unwrap();
    assert_eq!(program.command, ["python", "train.py"]);
    assert_eq!(program.inputs[0].version_id, manifest.inputs[0].version_id);
    let report = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert_eq!(report.findings, []);
}

/// The same program over the same versions that writes the same bytes: the versions are there.
#[tokio::test]
async fn what_comes_out_the_same_is_the_same_version() {
    let test = lake().await;
    let first = run(&test, SCORES, "weights").await.unwrap();
    let second = run(&test, SCORES, "weights").await.unwrap();
    assert!(second.outputs.iter().all(|output| output.status == IngestStatus::Unchanged));
    assert_ne!(first.run.run, second.run.run);
    assert!(second.run.outputs.iter().all(|output| output.unchanged));
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v2, ml.model v1");
    // One of the two came out otherwise.
    let third = run(&test, SCORES, "other weights").await.unwrap();
    let statuses: Vec<_> = third.outputs.iter().map(|output| output.status).collect();
    assert_eq!(statuses, [IngestStatus::Unchanged, IngestStatus::Committed]);
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v2, ml.model v2");
    // The same bytes by hand have another history.
    let path = test.ingest("ml.scores", "scores.csv", SCORES).await.unwrap();
    assert_eq!((path.status, path.version.number), (IngestStatus::Committed, 3));
    assert_eq!(test.lake.runs(&test.ctx(), 10).await.unwrap().len(), 3);
}

/// Two outputs of the same bytes name the same objects, and both datasets may be read.
#[tokio::test]
async fn outputs_may_share_their_bytes() {
    let test = lake().await;
    let begun = test.lake.begin_run(&test.ctx(), asked()).await.unwrap();
    let mut made = made(&test, SCORES, "weights");
    made.outputs[0].dataset = "ml.one".parse().unwrap();
    made.outputs[1] = output(&test, "ml.copy", "scores.csv", SCORES);
    let done = commit(&test.lake, &test.ctx(), &begun.run, made).await.unwrap();
    let ids: Vec<_> = done.outputs.iter().map(|output| output.version.content_id).collect();
    assert_eq!(ids[0], ids[1]);
    let report = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert_eq!(report.findings, []);
}

#[tokio::test]
async fn one_output_that_is_refused_refuses_all() {
    let test = lake().await;
    let error = run(&test, "id,\"score\n1,unclosed\n", "weights").await.unwrap_err();
    assert_eq!(error.code(), "unclosed-quote");
    assert!(error.to_string().contains("`ml.scores`"), "{error}");
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v1, ml.model v0");
    // Columns that go missing are a change that nobody declared.
    assert_eq!(code(run(&test, "id\n1\n", "weights").await), "schema-mismatch");
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v1, ml.model v0");
    assert_eq!(test.lake.runs(&test.ctx(), 10).await.unwrap().len(), 2, "both may try again");
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_when_it_is_begun() {
    let test = lake().await;
    let begin = async |change: fn(&mut BeginRun)| {
        let mut asked = asked();
        change(&mut asked);
        test.lake.begin_run(&test.ctx(), asked).await
    };
    assert_eq!(code(begin(|asked| asked.inputs = vec![input("sales.nothing")]).await), "not-found");
    let twice = begin(|asked| asked.inputs = vec![input("sales.orders"), input("sales.orders")]);
    assert_eq!(code(twice.await), "input-twice");
    assert_eq!(
        code(begin(|asked| asked.outputs.push(asked.outputs[0].clone())).await),
        "dataset-twice"
    );
    let silent = begin(|asked| asked.patience = Some(Duration::from_secs(1)));
    assert_eq!(code(silent.await), "bad-patience");
    // A number and an id of which one is false.
    test.ingest("sales.orders", "orders.csv", "id,amount\n9,90\n").await.unwrap();
    let first = begin(|asked| asked.inputs = vec![input("sales.orders@v1")]).await.unwrap().inputs;
    let mut odd = asked();
    odd.inputs = vec![RunInput { version_id: first[0].version_id, ..input("sales.orders@v2") }];
    assert_eq!(code(test.lake.begin_run(&test.ctx(), odd).await), "bad-pin");
    let begun = begin(|_| {}).await.unwrap();
    let mut nothing = made(&test, SCORES, "weights");
    nothing.outputs.clear();
    assert_eq!(code(commit(&test.lake, &test.ctx(), &begun.run, nothing).await), "no-outputs");
}

/// A run ends once: it is committed, or given up, and knows it when it is asked again.
#[tokio::test]
async fn a_run_ends_once() {
    let test = lake().await;
    let ctx = test.ctx();
    let begin = async || test.lake.begin_run(&ctx, asked()).await.unwrap().run;
    let run = begin().await;
    let why = AbortRun {
        exit_code: Some(3),
        reason: Some("it failed".to_owned()),
        ..AbortRun::default()
    };
    let seen = test.lake.abort_run(&ctx, &run, why.clone()).await.unwrap();
    assert_eq!((seen.standing, seen.exit_code), (RunStanding::Aborted, Some(3)));
    assert_eq!(seen.reason.as_deref(), Some("it failed"));
    let other = AbortRun { reason: Some("other".to_owned()), ..AbortRun::default() };
    assert_eq!(test.lake.abort_run(&ctx, &run, other).await.unwrap(), seen);
    assert_eq!(code(test.lake.hear_of_run(&ctx, &run).await), "run-ended");
    let late = commit(&test.lake, &ctx, &run, made(&test, SCORES, "weights")).await;
    assert_eq!(code(late), "run-ended");
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v1, ml.model v0");

    let run = begin().await;
    let done = commit(&test.lake, &ctx, &run, made(&test, SCORES, "weights")).await.unwrap();
    let again = commit(&test.lake, &ctx, &run, made(&test, SCORES, "other")).await.unwrap();
    assert_eq!(again.run, done.run, "the answer is what came of it");
    let versions = |done: &RunOutcome| -> Vec<u64> {
        done.outputs.iter().map(|output| output.version.number).collect()
    };
    assert_eq!(versions(&again), versions(&done));
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v2, ml.model v1");
    assert_eq!(code(test.lake.abort_run(&ctx, &run, why.clone()).await), "run-ended");
    assert_eq!(code(test.lake.hear_of_run(&ctx, &run).await), "run-ended");
    assert_eq!(code(test.lake.run(&ctx, "nothing").await), "not-found");
}

/// Begins a run that fails, with what it printed.
pub(crate) async fn failed(test: &TestLake, ctx: &Ctx) -> SeenRun {
    let begun = test.lake.begin_run(ctx, asked()).await.unwrap();
    test.lake.abort_run(ctx, &begun.run, it_failed(test)).await.unwrap()
}

fn it_failed(test: &TestLake) -> AbortRun {
    let path = test.file("printed.txt", "no such column\n");
    AbortRun {
        exit_code: Some(3),
        reason: Some("it failed".to_owned()),
        log: Some(SourceInput::Path { name: "log".to_owned(), path }),
        ..AbortRun::default()
    }
}

/// What failed stays on record with all that is known of it, whatever is forgotten; whoever may read what it
/// read may read that.
#[tokio::test]
async fn what_failed_is_on_record() {
    let test = lake().await;
    let ctx = Ctx { idempotency_key: Some("key".to_owned()), ..test.ctx() };
    let seen = failed(&test, &ctx).await;
    test.lake.catalog().forget_runs(Timestamp::from_micros(i64::MAX)).await.unwrap();
    let again = test.lake.run(&test.ctx(), &seen.run).await.unwrap();
    assert_eq!(again, seen);
    assert_eq!((again.standing, again.exit_code), (RunStanding::Aborted, Some(3)));
    assert_eq!(again.invocation, Some(asked().invocation));
    assert!(again.started_at < again.ended_at.unwrap() && again.event.is_some());
    let log = test.lake.run_log(&test.ctx(), &seen.run).await.unwrap();
    assert_eq!(&log[..], b"no such column\n");
    let listed = test.lake.runs(&test.ctx(), 10).await.unwrap();
    let told: Vec<_> = listed.iter().map(|run| (&run.run, run.reason.as_deref())).collect();
    assert_eq!(told, [(&seen.run, Some("it failed"))]);
    let last = test.events(0, 100).await.pop().unwrap();
    let EventBody::RunFailed(event) = last.body else { panic!("{last:?}") };
    assert_eq!((event.run, event.outputs), (seen.run.clone(), asked().outputs));

    let late = commit(&test.lake, &test.ctx(), &seen.run, made(&test, SCORES, "w")).await;
    assert_eq!(code(late), "run-ended");
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v1, ml.model v0");
    let eve = Ctx::new(Identity::of("eve".parse().unwrap()), "request-2");
    assert_eq!(code(test.lake.run(&eve, &seen.run).await), "not-found");
    assert_eq!(code(test.lake.run_log(&eve, &seen.run).await), "not-found");
    assert_eq!(test.lake.runs(&eve, 10).await.unwrap(), []);
}

/// A key is for what comes of it: what failed, or was not heard of, is tried again under it, until something
/// was committed.
#[tokio::test]
async fn what_failed_is_tried_again_under_its_key() {
    let test = lake().await;
    let ctx = Ctx { idempotency_key: Some("key".to_owned()), ..test.ctx() };
    let mut broken = asked();
    broken.invocation.parameters.clear();
    let first = test.lake.begin_run(&ctx, broken).await.unwrap().run;
    test.lake.abort_run(&test.ctx(), &first, it_failed(&test)).await.unwrap();
    let second = test.lake.begin_run(&ctx, asked()).await.unwrap();
    assert_eq!((second.standing, second.run == first), (RunStanding::Running, false));
    assert_eq!(test.lake.begin_run(&ctx, asked()).await.unwrap().run, second.run);
    let patient = BeginRun { patience: Some(Duration::from_secs(10)), ..asked() };
    assert_eq!(code(test.lake.begin_run(&ctx, patient).await), "idempotency-key-reused");
    test.lake.abort_run(&test.ctx(), &second.run, AbortRun::default()).await.unwrap();
    // What is forgotten counts as well.
    test.lake.catalog().forget_runs(Timestamp::from_micros(i64::MAX)).await.unwrap();
    let third = test.lake.begin_run(&ctx, asked()).await.unwrap().run;
    assert!(third != first && third != second.run);
    commit(&test.lake, &test.ctx(), &third, made(&test, SCORES, "w")).await.unwrap();
    for is_forgotten in [false, true] {
        if is_forgotten {
            test.lake.catalog().forget_runs(Timestamp::from_micros(i64::MAX)).await.unwrap();
        }
        let seen = test.lake.begin_run(&ctx, asked()).await.unwrap();
        assert_eq!((&seen.run, seen.standing), (&third, RunStanding::Committed));
    }
    assert_eq!(test.lake.runs(&test.ctx(), 10).await.unwrap().len(), 3);

    let ctx = Ctx { idempotency_key: Some("other".to_owned()), ..test.ctx() };
    let patient = || BeginRun { patience: Some(Duration::from_secs(10)), ..asked() };
    let silent = test.lake.begin_run(&ctx, patient()).await.unwrap().run;
    // Every question moves the clock by a second.
    for _ in 0..15 {
        test.lake.run(&test.ctx(), &silent).await.unwrap();
    }
    let next = test.lake.begin_run(&ctx, patient()).await.unwrap();
    assert_eq!((next.standing, next.run == silent), (RunStanding::Running, false));
    let silent = test.lake.run(&test.ctx(), &silent).await.unwrap();
    assert_eq!(silent.standing, RunStanding::Aborted);
    assert_eq!(silent.reason.as_deref(), Some("it was not heard of for too long"));
}

/// P3: what a run printed of which nothing came is read again, too.
#[tokio::test]
async fn p3_damage_to_what_a_failed_run_printed_is_found() {
    let mut test = TestLake::in_folder().await;
    test.damaged();
    test.ingest("sales.orders", "orders.csv", ORDERS).await.unwrap();
    failed(&test, &test.ctx()).await;
    let log = lakebed_core::ObjectId::of(b"no such column\n");
    let report = test.lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    assert_eq!(report.findings, []);
    let name = log.to_string();
    let path = crate::verify::objects(&test.root())
        .into_iter()
        .find(|path| path.file_name().is_some_and(|found| found.to_string_lossy() == name))
        .unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, "no such table.\n").unwrap();
    let lake = test.reopen().await.unwrap();
    let report = lake.verify(&test.ctx(), &[], Arc::new(NoProgress)).await.unwrap();
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    assert_eq!((finding.what.as_str(), finding.object), ("log of a run", Some(log)));
    assert_eq!((&finding.dataset, &finding.versions), (&None, &Vec::new()));
    lake.close().await;
}

#[tokio::test]
async fn the_same_key_is_the_same_run() {
    let test = lake().await;
    let ctx = Ctx { idempotency_key: Some("key".to_owned()), ..test.ctx() };
    let begun = test.lake.begin_run(&ctx, asked()).await.unwrap();
    assert_eq!(test.lake.begin_run(&ctx, asked()).await.unwrap().run, begun.run);
    let other = BeginRun { inputs: Vec::new(), ..asked() };
    assert_eq!(code(test.lake.begin_run(&ctx, other).await), "idempotency-key-reused");
    commit(&test.lake, &test.ctx(), &begun.run, made(&test, SCORES, "weights")).await.unwrap();
    let seen = test.lake.begin_run(&ctx, asked()).await.unwrap();
    assert_eq!((&seen.run, seen.standing), (&begun.run, RunStanding::Committed));
    // What was committed is known for as long as its event is: old outputs do not come back.
    test.lake.catalog().forget_runs(Timestamp::from_micros(i64::MAX)).await.unwrap();
    let seen = test.lake.begin_run(&ctx, asked()).await.unwrap();
    assert_eq!((&seen.run, seen.standing), (&begun.run, RunStanding::Committed));
    let again = commit(&test.lake, &ctx, &seen.run, made(&test, SCORES, "weights")).await.unwrap();
    assert_eq!(again.run.event, seen.event);
    let mut other = asked();
    other.invocation.parameters.clear();
    let elsewhere = vec!["ml.scores".parse().unwrap(), "ml.other".parse().unwrap()];
    let others = [
        other,
        BeginRun { inputs: Vec::new(), ..asked() },
        BeginRun { outputs: elsewhere, ..asked() },
    ];
    for other in others {
        assert_eq!(code(test.lake.begin_run(&ctx, other).await), "idempotency-key-reused");
    }
    let eve = Ctx::new(Identity::of("eve".parse().unwrap()), "request-2");
    let stranger = Ctx { idempotency_key: ctx.idempotency_key.clone(), ..eve };
    assert_eq!(code(test.lake.begin_run(&stranger, asked()).await), "not-found");
    // A key is good for one commit.
    let mut commits = Vec::new();
    for _ in 0..2 {
        let run = test.lake.begin_run(&test.ctx(), asked()).await.unwrap().run;
        let ctx = Ctx { idempotency_key: Some("commit".to_owned()), ..test.ctx() };
        commits.push(commit(&test.lake, &ctx, &run, made(&test, SCORES, "weights")).await);
    }
    assert_eq!(code(commits.pop().unwrap()), "idempotency-key-reused");
    commits.pop().unwrap().unwrap();
}

/// What a run was begun with is what it is committed with, whatever happened between.
#[tokio::test]
async fn inputs_are_resolved_once() {
    let test = lake().await;
    let begun = test.lake.begin_run(&test.ctx(), asked()).await.unwrap();
    test.ingest("sales.orders", "orders.csv", "id,amount\n9,90\n").await.unwrap();
    let done = commit(&test.lake, &test.ctx(), &begun.run, made(&test, SCORES, "w")).await.unwrap();
    assert_eq!(done.run.inputs[0].number, 1);
    assert_eq!(done.run.inputs[0].version_id, begun.inputs[0].version_id);
}

/// A run that nobody hears of is abandoned, and can be nothing else any more.
#[tokio::test]
async fn silence_ends_a_run() {
    let test = lake().await;
    let asked = BeginRun { patience: Some(Duration::from_secs(10)), ..asked() };
    let begun = test.lake.begin_run(&test.ctx(), asked).await.unwrap();
    test.lake.hear_of_run(&test.ctx(), &begun.run).await.unwrap();
    // Every question moves the clock by a second.
    for _ in 0..15 {
        test.lake.run(&test.ctx(), &begun.run).await.unwrap();
    }
    let seen: SeenRun = test.lake.run(&test.ctx(), &begun.run).await.unwrap();
    assert_eq!(seen.standing, RunStanding::Abandoned);
    assert_eq!(code(test.lake.hear_of_run(&test.ctx(), &begun.run).await), "run-abandoned");
    let late = commit(&test.lake, &test.ctx(), &begun.run, made(&test, SCORES, "w")).await;
    assert_eq!(code(late), "run-abandoned");
}

/// Runs under way are their owner's; so are those of which others may not read everything.
#[tokio::test]
async fn runs_of_others_are_not_there() {
    let test = lake().await;
    let stranger = Ctx::new(Identity::of("eve".parse().unwrap()), "request-2");
    let begun = test.lake.begin_run(&test.ctx(), asked()).await.unwrap();
    for is_done in [false, true] {
        if is_done {
            commit(&test.lake, &test.ctx(), &begun.run, made(&test, SCORES, "w")).await.unwrap();
        }
        let nothing = code(test.lake.run(&stranger, "0123").await);
        assert_eq!(code(test.lake.run(&stranger, &begun.run).await), nothing);
        assert_eq!(code(test.lake.run_log(&stranger, &begun.run).await), nothing);
        assert_eq!(code(test.lake.hear_of_run(&stranger, &begun.run).await), nothing);
        let why = AbortRun::default();
        assert_eq!(code(test.lake.abort_run(&stranger, &begun.run, why).await), nothing);
        let theirs = commit(&test.lake, &stranger, &begun.run, made(&test, SCORES, "w")).await;
        assert_eq!(code(theirs), nothing);
        assert_eq!(test.lake.runs(&stranger, 10).await.unwrap(), []);
    }
    let unknown = code(test.lake.begin_run(&stranger, asked()).await);
    assert_eq!(unknown, "not-found", "what they may not ingest into is not there");
}

/// Of two runs that make the same datasets both are committed whole, one after the other.
#[tokio::test(flavor = "multi_thread")]
async fn runs_that_race_are_committed_one_after_the_other() {
    let test = lake().await;
    let first = test.lake.begin_run(&test.ctx(), asked()).await.unwrap().run;
    let second = test.lake.begin_run(&test.ctx(), asked()).await.unwrap().run;
    let ctx = test.ctx();
    let one = renamed(&test, made(&test, SCORES, "one"), "one");
    let other = renamed(&test, made(&test, "id,score\n7,7\n", "other"), "other");
    let (one, other) = tokio::join!(
        commit(&test.lake, &ctx, &first, one),
        commit(&test.lake, &ctx, &second, other)
    );
    let numbers = |outcome: Result<RunOutcome>| -> Vec<u64> {
        outcome.unwrap().outputs.iter().map(|output| output.version.number).collect()
    };
    let mut numbers = [numbers(one), numbers(other)];
    numbers.sort();
    assert_eq!(numbers, [[2, 1], [3, 2]], "no run is between the versions of another");
}

/// The same sources in files of their own, which the next ones do not replace.
fn renamed(test: &TestLake, mut made: CommitRun, folder: &str) -> CommitRun {
    made.log = None;
    for output in &mut made.outputs {
        for source in &mut output.sources {
            let SourceInput::Path { name, path } = source else { continue };
            let bytes = std::fs::read(&*path).unwrap();
            *path = test.file(&format!("{folder}/{name}"), bytes);
        }
    }
    made
}

/// The end of a run that was begun, with a table and a model.
struct Ending;

impl Change for Ending {
    type World = (TestLake, String);

    async fn world(&self) -> Self::World {
        let test = lake().await;
        let run = test.lake.begin_run(&test.ctx(), asked()).await.unwrap().run;
        (test, run)
    }

    fn lake((test, _): &Self::World) -> &TestLake {
        test
    }

    async fn make(&self, (test, run): &Self::World, lake: &Lake) -> Result<String> {
        commit(lake, &test.ctx(), run, made(test, SCORES, "weights")).await?;
        Ok("ml.scores v2, ml.model v1".to_owned())
    }

    async fn check(&self, world: &Self::World, lake: &Lake, new: &str, what: &str) {
        let (test, _) = world;
        let found = newest(lake, test).await;
        assert!(found == "ml.scores v1, ml.model v0" || found == new, "{what}: {found}");
        // Whoever asks again has it done, once.
        self.make(world, lake).await.unwrap();
        assert_eq!(newest(lake, test).await, new, "{what}");
        assert_eq!(lake.runs(&test.ctx(), 10).await.unwrap().len(), 1, "{what}");
    }
}

/// P4: whatever dies when, all outputs of a run are old, or all are new.
#[tokio::test(flavor = "multi_thread")]
async fn p4_cut_off_anywhere_all_outputs_are_old_or_all_are_new() {
    let (writes, points) = cut_off::everywhere(&Ending).await;
    assert!(writes.len() >= 8 && points.len() >= 4, "{writes:?} {points:?}");
}

/// The failure of a run that was begun.
struct Failing;

impl Change for Failing {
    type World = (TestLake, String);

    async fn world(&self) -> Self::World {
        Ending.world().await
    }

    fn lake((test, _): &Self::World) -> &TestLake {
        test
    }

    async fn make(&self, (test, run): &Self::World, lake: &Lake) -> Result<String> {
        let seen = lake.abort_run(&test.ctx(), run, it_failed(test)).await?;
        Ok(format!("{:?} with {:?}", seen.standing, seen.exit_code))
    }

    async fn check(&self, world: &Self::World, lake: &Lake, new: &str, what: &str) {
        let (test, run) = world;
        let found = lake.run(&test.ctx(), run).await.unwrap();
        let is_old = found.standing == RunStanding::Running;
        assert!(is_old || found.standing == RunStanding::Aborted, "{what}: {found:?}");
        assert_eq!(self.make(world, lake).await.unwrap(), new, "{what}");
        assert_eq!(lake.runs(&test.ctx(), 10).await.unwrap().len(), 1, "{what}");
        let log = lake.run_log(&test.ctx(), run).await.unwrap();
        assert_eq!(&log[..], b"no such column\n", "{what}");
    }
}

/// P4: whatever dies when, a run has failed, with all that is known of it, or it has not.
#[tokio::test(flavor = "multi_thread")]
async fn p4_cut_off_anywhere_a_run_has_failed_or_has_not() {
    let (writes, points) = cut_off::everywhere(&Failing).await;
    assert!(writes.len() >= 3 && points.len() >= 3, "{writes:?} {points:?}");
}

/// An upload is whose it is, and waits no longer once a run has made a version of it.
#[tokio::test]
async fn outputs_may_be_uploads() {
    let test = lake().await;
    let upload = async |bytes: &'static str| {
        let stream = Box::pin(futures::stream::iter([Ok(bytes::Bytes::from(bytes))]));
        test.lake.upload(&test.ctx(), stream).await.unwrap().object
    };
    let begun = test.lake.begin_run(&test.ctx(), asked()).await.unwrap();
    let (model, log) = (upload("weights").await, upload("printed\n").await);
    let mut made = made(&test, SCORES, "not these");
    let source = |object| SourceInput::Upload { name: "model.pkl".to_owned(), object };
    made.outputs[1].sources = vec![source(model)];
    made.log = Some(source(lakebed_core::ObjectId::of(b"nobody sent this")));
    let missing = commit(&test.lake, &test.ctx(), &begun.run, made.clone()).await;
    assert!(matches!(missing, Err(Error::NotFound { .. })), "{missing:?}");
    made.log = Some(source(log));
    let done = commit(&test.lake, &test.ctx(), &begun.run, made).await.unwrap();
    assert_eq!(done.outputs[1].version.row_count, 1);
    let printed = test.lake.run_log(&test.ctx(), &done.run.run).await.unwrap();
    assert_eq!(&printed[..], b"printed\n");
}

/// P7, P8: rows that are added to what was computed would hide what that was computed from.
#[tokio::test]
async fn p7_nothing_is_appended_to_what_a_program_made() {
    let test = lake().await;
    run(&test, SCORES, "weights").await.unwrap();
    let path = test.file("more.csv", "id,score\n9,0.5\n");
    let append = |mode| {
        let options = DecodeOptions::default();
        lakebed_testkit::request_of("ml.scores", "more.csv", &path, mode, options)
    };
    let appended = append(lakebed_core::IngestMode::Append);
    let refused = test.lake.ingest(&test.ctx(), appended, Arc::new(NoProgress)).await.unwrap_err();
    assert_eq!(refused.code(), "computed", "{refused}");
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v2, ml.model v1");
    // What is replaced has nothing to do with it, and grows as before.
    let replaced = append(lakebed_core::IngestMode::Replace);
    test.lake.ingest(&test.ctx(), replaced, Arc::new(NoProgress)).await.unwrap();
    test.ingest("ml.scores", "again.csv", "id,score\n1,1.0\n").await.unwrap();
    assert_eq!(newest(&test.lake, &test).await, "ml.scores v4, ml.model v1");
}
