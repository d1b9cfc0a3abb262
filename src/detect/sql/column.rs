//! The tenant column of a schema that does not call it by any of the names that were given.

use std::{collections::HashMap, sync::Arc};

use super::{
    policy,
    schema::{SchemaBuilder, Table},
};

/// Words for a tenant, as columns have them before `_id`, `_uuid`, `_ref`, `_key`, `_code` or nothing.
const WORDS: [&str; 20] = [
    "tenant",
    "org",
    "organization",
    "organisation",
    "account",
    "workspace",
    "company",
    "customer",
    "client",
    "team",
    "site",
    "merchant",
    "shop",
    "store",
    "studio",
    "school",
    "practice",
    "agency",
    "realm",
    "subscriber",
];
/// What may follow the word.
const ENDINGS: [&str; 6] = ["_id", "id", "_uuid", "_ref", "_key", "_code"];

/// The column by which row level security asks for the tenant on most tables; without policies the column for a tenant
/// that two thirds of the tables have, and three at least.
pub(super) fn learned(builder: &SchemaBuilder) -> Option<Arc<str>> {
    let mut counts: HashMap<Arc<str>, usize> = HashMap::new();
    for (table, using) in builder.policies_with_tables() {
        let asked = |name: &Arc<str>| policy::setting(using, name).is_some();
        for column in table.column_names().filter(|name| asked(name)) {
            *counts.entry(Arc::clone(column)).or_default() += 1;
        }
    }
    if counts.is_empty() {
        let tables = || builder.tables.iter().filter(|table| !table.view);
        for column in tables().flat_map(Table::column_names).filter(|name| tells(name)) {
            *counts.entry(Arc::clone(column)).or_default() += 1;
        }
        let least = (tables().count() * 2).div_ceil(3).max(3);
        counts.retain(|_, count| *count >= least);
    }
    counts.into_iter().max_by(|(a, n), (b, m)| n.cmp(m).then(b.cmp(a))).map(|(name, _)| name)
}

/// Whether the name of a column speaks of a tenant.
fn tells(name: &str) -> bool {
    let stem = ENDINGS.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    WORDS.contains(&stem.rsplit('_').next().unwrap_or(stem))
}

#[cfg(test)]
mod tests {
    use super::super::{Options, Schema};

    fn schema(dump: &str) -> Schema {
        Schema::from_dump(dump, Options { learn_column: true, ..Options::default() }).unwrap()
    }

    fn tenant(schema: &Schema, table: &str) -> Option<String> {
        let table = schema.tables().iter().find(|t| &*t.name == table).unwrap();
        table.tenant.as_deref().map(str::to_owned)
    }

    /// Scenario: schemas whose tenant column has another name: told by policies, or by its name and that nearly all
    /// tables have it; one with the usual name besides; one where only a few tables have such a column. Guarantee: the
    /// column is learned where it is sure, and only where none of the given names is there.
    #[test]
    fn a_column_of_another_name_is_learned() {
        let by_policy = "CREATE TABLE public.notes (id uuid NOT NULL, realm_no uuid NOT NULL, author_id uuid);\n\
            CREATE TABLE public.bills (id uuid NOT NULL, realm_no uuid NOT NULL);\n\
            ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;\n\
            CREATE POLICY p ON public.notes USING (((realm_no)::text = current_setting('app.realm'::text)));\n";
        let schema_by_policy = schema(by_policy);
        assert_eq!(tenant(&schema_by_policy, "notes").as_deref(), Some("realm_no"));
        assert_eq!(tenant(&schema_by_policy, "bills").as_deref(), Some("realm_no"));
        let table = |name: &str, columns: &str| {
            format!("CREATE TABLE public.{name} (id uuid NOT NULL, {columns});\n")
        };
        let by_name = table("notes", "account_ref uuid NOT NULL, customer_id uuid")
            + &table("bills", "account_ref uuid NOT NULL")
            + &table("files", "account_ref uuid NOT NULL")
            + &table("countries", "name text");
        assert_eq!(tenant(&schema(&by_name), "bills").as_deref(), Some("account_ref"));
        assert_eq!(tenant(&schema(&by_name), "countries"), None);
        let usual = by_name.clone() + &table("users", "tenant_id uuid NOT NULL");
        assert_eq!(tenant(&schema(&usual), "bills"), None);
        let few = table("notes", "customer_id uuid")
            + &table("bills", "total integer")
            + &table("files", "name text");
        assert_eq!(tenant(&schema(&few), "notes"), None);
        let told = Schema::from_dump(&by_name, Options::default()).unwrap();
        assert_eq!(tenant(&told, "bills"), None, "not asked to learn it");
    }
}
