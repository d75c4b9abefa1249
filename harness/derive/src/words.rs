//! Names and sentences, as specs and tables have them.

use syn::{
    Attribute, Data, DeriveInput, Expr, ExprLit, Fields, Lit, Meta, Variant, punctuated::Punctuated,
    token::Comma,
};

/// The name of a variant in snake case, by serde's rule.
pub fn snake_case(variant: &Variant) -> String {
    let mut name = String::new();
    for c in variant.ident.to_string().chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

/// What documentation says, as half a line: without the capital at its beginning and the stop at its end.
pub fn about(attributes: &[Attribute]) -> Option<String> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(doc) if doc.path.is_ident("doc") => match &doc.value {
            Expr::Lit(ExprLit { lit: Lit::Str(line), .. }) => Some(line.value().trim().to_owned()),
            _ => None,
        },
        _ => None,
    });
    let lines: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let sentence = lines.join(" ");
    let sentence = sentence.strip_suffix('.').unwrap_or(&sentence);
    let mut chars = sentence.chars();
    let first = chars.next()?;
    // An abbreviation or a name of code stays what it is.
    let is_word = chars.clone().next().is_none_or(|second| !second.is_uppercase());
    let first = if is_word { first.to_lowercase().to_string() } else { first.to_string() };
    Some(first + chars.as_str())
}

/// The variants of an enum that serde names in snake case too.
pub fn variants<'a>(input: &'a DeriveInput, what: &str) -> syn::Result<&'a Punctuated<Variant, Comma>> {
    let Data::Enum(data) = &input.data else {
        return Err(syn::Error::new_spanned(&input.ident, format!("{what} are the variants of an enum")));
    };
    if data.variants.is_empty() {
        return Err(syn::Error::new_spanned(&input.ident, format!("there are no {what} in it")));
    }
    let case = serde_says(&input.attrs, "rename_all").and_then(|(_, case)| case);
    if !matches!(&case, Some(Expr::Lit(ExprLit { lit: Lit::Str(case), .. })) if case.value() == "snake_case")
    {
        return Err(syn::Error::new_spanned(
            &input.ident,
            format!("{what} are named in snake case: add #[serde(rename_all = \"snake_case\")]"),
        ));
    }
    for variant in &data.variants {
        if let Some((attribute, _)) = serde_says(&variant.attrs, "rename") {
            return Err(syn::Error::new_spanned(attribute, "its name is that of the variant in snake case"));
        }
        if let Fields::Unnamed(fields) = &variant.fields {
            return Err(syn::Error::new_spanned(fields, "give its fields names"));
        }
    }
    Ok(&data.variants)
}

/// What serde is told under this name, and where.
fn serde_says<'a>(attributes: &'a [Attribute], word: &str) -> Option<(&'a Attribute, Option<Expr>)> {
    attributes.iter().filter(|attribute| attribute.path().is_ident("serde")).find_map(|attribute| {
        let mut said = None;
        // Whatever else it says is serde's to judge.
        let _ = attribute.parse_nested_meta(|meta| {
            let found = meta.path.is_ident(word);
            let value = meta.value().and_then(|value| value.parse::<Expr>()).ok();
            if found {
                said = Some((attribute, value));
            }
            Ok(())
        });
        said
    })
}
