//! temp
#[test]
fn dump() {
    use datafusion::execution::SessionStateDefaults as D;
    let p = |k: &str, mut v: Vec<String>| { v.sort(); println!("{k} {}: {}", v.len(), v.join(" ")); };
    p("scalar", D::default_scalar_functions().iter().map(|f| { let mut n = vec![f.name().to_owned()]; n.extend(f.aliases().iter().cloned()); n.join("/") }).collect());
    p("higher", D::default_higher_order_functions().iter().map(|f| { let mut n = vec![f.name().to_owned()]; n.extend(f.aliases().iter().cloned()); n.join("/") }).collect());
    p("agg", D::default_aggregate_functions().iter().map(|f| { let mut n = vec![f.name().to_owned()]; n.extend(f.aliases().iter().cloned()); n.join("/") }).collect());
    p("win", D::default_window_functions().iter().map(|f| { let mut n = vec![f.name().to_owned()]; n.extend(f.aliases().iter().cloned()); n.join("/") }).collect());
    p("table", D::default_table_functions().iter().map(|f| f.name().to_owned()).collect());
}
