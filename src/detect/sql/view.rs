//! Views: whose rows they show follows from the query behind them.

use std::sync::Arc;

use sqlparser::ast::Statement;

use super::{
    level::Env,
    schema::{Column, Owner, Schema},
    shape::Shape,
    utility::parse,
    walk::Walk,
};

/// A view as it was found.
#[derive(Debug)]
pub(super) struct View {
    pub schema: Arc<str>,
    pub name: Arc<str>,
    /// Names of its columns, where they are given.
    pub columns: Vec<Arc<str>>,
    pub query: String,
}

/// Settles what views show, in their order: one stands after those that it reads.
///
/// A view that keeps to a tenant by itself is nobody's. One that shows the tenant column is owned by it. One that shows
/// tenants' rows without that column cannot be kept to a tenant from outside.
pub(super) fn settle(schema: &mut Schema, views: &[View]) {
    for view in views {
        let (columns, owner, tenant) = read(schema, view);
        let Some(table) = schema.own_view(&view.schema, &view.name) else { continue };
        table.whole = !columns.is_empty();
        table.columns = columns.into_iter().map(|name| Column { name, ..Column::default() }).collect();
        table.owner = owner;
        table.tenant = tenant;
    }
}

fn read(schema: &Schema, view: &View) -> (Vec<Arc<str>>, Owner, Option<Arc<str>>) {
    let shape = Shape::default();
    let Ok(Statement::Query(query)) = parse(|sql| sql.push_str(&view.query)) else {
        // Not understood: it is opaque if it names a table of tenants at all.
        let mut shape = Shape::default();
        shape.read(&view.query);
        let owned = shape.items.iter().any(|item| {
            let name = view.query[item.start..item.end].trim_matches('"').to_ascii_lowercase();
            schema.find(None, &name).is_some_and(|(n, _)| schema.table(n).owned())
        });
        return (Vec::new(), if owned { Owner::Opaque } else { Owner::Nobody }, None);
    };
    let mut walk = Walk::new(schema, &shape, "");
    let body = walk.query(&query, &Env::default());
    let mut columns: Vec<Arc<str>> =
        if body.whole { body.cols.iter().map(|c| Arc::clone(&c.name)).collect() } else { vec![] };
    for (column, given) in columns.iter_mut().zip(&view.columns) {
        *column = Arc::clone(given);
    }
    if !walk.noted.missing.is_empty() {
        return (columns, Owner::Opaque, None);
    }
    if body.missing.is_empty() {
        return (columns, Owner::Nobody, None);
    }
    let tenant = body.cols.iter().position(|c| c.tenant);
    let tenant =
        tenant.and_then(|n| columns.get(n).cloned().or_else(|| Some(Arc::clone(&body.cols[n].name))));
    let owner = if tenant.is_some() { Owner::Column } else { Owner::Opaque };
    (columns, owner, tenant)
}
