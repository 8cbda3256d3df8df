//! A written list of attacks on governed SQL, each with the answer that is expected (P7).
//!
//! The attacks are text, a file a group, in `attacks/`: who asks what, and every word of the answer.
//! `list.rs` says how they are written, `world.rs` what lake is asked, `marks.rs` what must not be told.
//! All of it goes through the router. Whatever is expected: no answer to somebody under a policy holds a
//! hidden value, a name or a digest that is not theirs, or a path.

mod answer;
mod list;
mod marks;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use self::{
    answer::{Told, ask},
    list::{Attack, Expected, Request, read_list},
    world::World,
};

/// What the list has at least.
const ATTACKS: usize = 250;
const GROUPS: usize = 15;

/// What is wrong with the answer to an attack; nothing, as a rule.
async fn flaws(world: &World, attack: &Attack) -> Vec<String> {
    let asker = world.asker(&attack.who);
    let request = world.filled(&attack.request);
    let told = ask(&asker.router, &request).await;
    let leaks = world.marks.leaks(asker.sees, &request.text(), &told.everything());
    let leaks = leaks.into_iter().map(|word| format!("tells `{word}`"));
    leaks.chain(unexpected(world, attack, &told)).collect()
}

fn unexpected(world: &World, attack: &Attack, told: &Told) -> Option<String> {
    match &attack.expected {
        Expected::Answer(expected) => {
            let (expected, found) = (world.filled_text(expected), told.shown());
            (expected != found).then(|| format!("expected:\n{expected}\nfound:\n{found}"))
        }
        // Who answers is being built: rows of their own or a refusal, but nothing hidden.
        Expected::NothingHidden => {
            let status = told.status();
            let is_answer = status == 200 || (400..500).contains(&status);
            (!is_answer).then(|| format!("found:\n{}", told.shown()))
        }
    }
}

/// Every attack is asked, in order, and answered as it is written.
#[tokio::test(flavor = "multi_thread")]
async fn p7_every_attack_is_answered_as_it_is_written() {
    let list = read_list();
    let world = World::new().await;
    let mut asked = 0;
    let mut failed = String::new();
    for attack in &list {
        let flaws = flaws(&world, attack).await;
        asked += 1;
        for flaw in flaws {
            writeln!(failed, "\n{attack}\n{flaw}").unwrap();
        }
    }
    assert!(failed.is_empty(), "{failed}");
    assert_eq!(asked, list.len(), "none is left out");
}

/// The policies are what keeps things from those who ask: without any one of them, attacks succeed.
#[tokio::test(flavor = "multi_thread")]
async fn the_list_notices_every_policy_that_is_gone() {
    const ASKED: [&str; 5] = ["masks", "row-filter", "joins", "new-columns", "other-ways-out"];
    let mut list = read_list();
    let place = |attack: &Attack| ASKED.iter().position(|group| *group == attack.group);
    // Which policies there are is no news.
    list.retain(|attack| place(attack).is_some() && !attack.request.path.contains("/access/"));
    list.sort_by_key(place);
    let world = World::new().await;
    for policy in world.names().1 {
        world.apply_without(&policy).await;
        let mut is_noticed = false;
        for attack in &list {
            is_noticed = !flaws(&world, attack).await.is_empty();
            if is_noticed {
                break;
            }
        }
        assert!(is_noticed, "nobody notices that `{policy}` is gone");
    }
}

/// What is looked for in every answer is in the lake: whoever is under no policy is told of it.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_hidden_is_there() {
    let world = World::new().await;
    let router = &world.asker("chief").router;
    let mut told = String::new();
    for version in world.names().0 {
        let rows = format!("SELECT * FROM \"{version}\"");
        told += &ask(router, &Request::sql(&rows)).await.everything();
        told +=
            &ask(router, &Request::get(&format!("/v1/versions?ref={version}"))).await.everything();
    }
    told += &ask(router, &Request::get("/v1/events?limit=1000")).await.everything();
    let digests = world.marks.count_digests(&told);
    assert!(digests >= 40, "{digests}");
}

/// The list is as long as it is said to be, and no attack is there twice.
#[test]
fn the_list_is_long_and_says_nothing_twice() {
    let list = read_list();
    let exact = list.iter().filter(|attack| matches!(attack.expected, Expected::Answer(_)));
    assert!(exact.count() >= ATTACKS, "attacks with an exact answer");
    let groups: BTreeSet<&str> = list.iter().map(|attack| attack.group.as_str()).collect();
    assert!(groups.len() >= GROUPS, "{groups:?}");
    let mut titles = BTreeMap::new();
    let mut requests = BTreeMap::new();
    for attack in &list {
        let before = titles.insert(&attack.title, attack);
        assert!(before.is_none(), "{attack}\nhas the title of\n{}", before.unwrap());
        let request = format!("{}: {}", attack.who, attack.request.text());
        let before = requests.insert(request, attack);
        assert!(before.is_none(), "{attack}\nasks what is asked in\n{}", before.unwrap());
    }
}
