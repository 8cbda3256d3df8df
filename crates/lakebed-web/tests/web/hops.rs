//! Where a fetch may lead: the first URL, the addresses of its name, redirects.

use lakebed_web::{Error, Fetcher, Hosts, Policy};

use crate::support::{
    Names, Site, anywhere, configured, fetch, ok, policy, redirect, says_nothing,
};

#[tokio::test]
async fn what_is_there_is_fetched_as_it_is() {
    let site = Site::saying(ok("id\n1\n")).await;
    let fetcher = Fetcher::new(policy([anywhere("localhost", &site)]));
    assert_eq!(fetch(&fetcher, &site.url("localhost")).await.unwrap(), "id\n1\n");
    let request = site.requests.lock().unwrap()[0].to_ascii_lowercase();
    assert!(request.starts_with("get /data.csv?key=secret http/1.1\r\n"), "{request}");
    assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    assert!(!request.contains("cookie") && !request.contains("authorization"), "{request}");
}

/// What is configured never reaches this machine, however it is written; and nobody is connected to.
#[tokio::test]
async fn loopback_is_refused_however_it_is_written() {
    let site = Site::saying(ok("secret")).await;
    let names =
        Names::of(&[("localhost", &[&["127.0.0.1"]]), ("rebind.example", &[&["127.0.0.1"]])]);
    for host in [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::1]",
        "[::127.0.0.1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "rebind.example",
    ] {
        let rule = configured(host, &site);
        let fetcher = Fetcher::new(policy([rule.clone()])).with_resolver(names.clone());
        let error = fetch(&fetcher, &site.url(host)).await.unwrap_err();
        assert!(matches!(error, Error::Unavailable { .. }), "{host}: {error:?}");
        says_nothing(&error);
        // Nor when the rule allows private networks.
        let fetcher = Fetcher::new(policy([rule.private().unwrap()])).with_resolver(names.clone());
        assert!(fetch(&fetcher, &site.url(host)).await.is_err(), "{host}");
        // Nor for a person who fetches for themselves.
        let own = Policy::new(Hosts::Public(Vec::new()));
        assert!(fetch(&Fetcher::new(own), &site.url(host)).await.is_err(), "{host}");
    }
    assert_eq!(site.count(), 0, "nobody was connected to");
}

/// The name is asked once, and the connection goes to that answer: the second one, which leads
/// elsewhere, is never asked for.
#[tokio::test]
async fn a_name_that_changes_its_mind_changes_nothing() {
    let first = Site::saying(ok("first")).await;
    let second = Site::at(("127.0.0.2", first.address.port()), ok("second")).await;
    let names = Names::of(&[("rebind.example", &[&["127.0.0.1"], &["127.0.0.2"]])]);
    let fetcher = Fetcher::new(policy([anywhere("rebind.example", &first)]));
    let fetcher = fetcher.with_resolver(names.clone());
    assert_eq!(fetch(&fetcher, &first.url("rebind.example")).await.unwrap(), "first");
    assert_eq!((names.asked(), second.count()), (1, 0));
    // A second fetch asks anew, and judges anew: the answer of now is not one that may be reached.
    let fetcher = Fetcher::new(policy([configured("rebind.example", &second)]));
    let fetcher = fetcher.with_resolver(names.clone());
    says_nothing(&fetch(&fetcher, &second.url("rebind.example")).await.unwrap_err());
    assert_eq!((names.asked(), second.count()), (2, 0));
}

/// One bad address among good ones refuses the name.
#[tokio::test]
async fn a_name_with_one_bad_address_is_refused() {
    let site = Site::saying(ok("secret")).await;
    for bad in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1", "fd00:ec2::254"] {
        let names = Names::of(&[("mixed.example", &[&["1.1.1.1", bad]])]);
        let fetcher =
            Fetcher::new(policy([configured("mixed.example", &site)])).with_resolver(names);
        let error = fetch(&fetcher, &site.url("mixed.example")).await.unwrap_err();
        assert_eq!(error.cause(), Some("an address of its host may not be reached"), "{bad}");
        says_nothing(&error);
    }
    assert_eq!(site.count(), 0);
}

#[tokio::test]
async fn a_redirect_is_followed_where_the_policy_allows() {
    let end = Site::saying(ok("moved")).await;
    let start = Site::saying(redirect(&end.url("localhost"))).await;
    let rules = [anywhere("localhost", &start), anywhere("localhost", &end)];
    let fetcher = Fetcher::new(policy(rules));
    assert_eq!(fetch(&fetcher, &start.url("localhost")).await.unwrap(), "moved");
    // Not where only the first host is listed.
    let fetcher = Fetcher::new(policy([anywhere("localhost", &start)]));
    let error = fetch(&fetcher, &start.url("localhost")).await.unwrap_err();
    assert!(matches!(error, Error::NotAllowed), "{error:?}");
    assert_eq!(end.count(), 1);
}

/// A good host that sends us into our own network is not followed.
#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let inside = Site::saying(ok("secret")).await;
    for host in ["127.0.0.1", "127.1", "[::ffff:127.0.0.1]", "inside.example"] {
        let start = Site::saying(redirect(&inside.url(host))).await;
        let names = Names::of(&[
            ("start.example", &[&["127.0.0.1"]]),
            ("inside.example", &[&["127.0.0.1"]]),
        ]);
        // The host it leads to is listed, as a careless administrator might: its address decides.
        let rules = [anywhere("start.example", &start), configured(host, &inside)];
        let fetcher = Fetcher::new(policy(rules)).with_resolver(names);
        let error = fetch(&fetcher, &start.url("start.example")).await.unwrap_err();
        says_nothing(&error);
        assert_eq!(start.count(), 1, "{host}");
    }
    assert_eq!(inside.count(), 0);
}

#[tokio::test]
async fn redirects_are_followed_a_few_times_only() {
    let site = Site::saying(redirect("/again")).await;
    let fetcher = Fetcher::new(policy([anywhere("localhost", &site)]));
    let error = fetch(&fetcher, &site.url("localhost")).await.unwrap_err();
    assert_eq!(error.cause(), Some("it leads elsewhere too often"));
    assert_eq!(site.count(), 6);
    for target in ["file:///etc/passwd", "gopher://x/", "http://user:word@localhost/", "http://["] {
        let site = Site::saying(redirect(target)).await;
        let fetcher = Fetcher::new(policy([anywhere("localhost", &site)]));
        says_nothing(&fetch(&fetcher, &site.url("localhost")).await.unwrap_err());
    }
}

#[tokio::test]
async fn a_host_that_is_not_listed_is_not_even_looked_up() {
    let names = Names::of(&[("other.example", &[&["1.1.1.1"]])]);
    let fetcher =
        Fetcher::new(policy(["example.org".parse().unwrap()])).with_resolver(names.clone());
    for url in ["https://other.example/x", "http://example.org/x", "https://example.org:22/x"] {
        let error = fetch(&fetcher, url).await.unwrap_err();
        assert!(matches!(error, Error::NotAllowed), "{url}: {error:?}");
    }
    assert_eq!(names.asked(), 0);
}
