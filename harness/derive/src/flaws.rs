//! `#[derive(Flaws)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Fields, LitStr, Variant};

use crate::words;

pub fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    let variants = words::variants(input, "flaws")?;
    let (mut all, mut named) = (Vec::new(), Vec::new());
    for variant in variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(
                &variant.fields,
                "a flaw has no fields: `variant:` gives none",
            ));
        }
        let Some(about) = words::about(&variant.attrs) else {
            let message = "what is wrong with it is its documentation: add a line `/// ..`";
            return Err(syn::Error::new_spanned(&variant.ident, message));
        };
        let (name, violates, ident) = (words::snake_case(variant), violates(variant)?, &variant.ident);
        all.push(quote! { ::squall::Flaw { name: #name, about: #about, violates: #violates } });
        named.push(quote! { #name => ::core::option::Option::Some(Self::#ident) });
    }
    let ident = &input.ident;
    Ok(quote! {
        impl ::squall::Flaws for #ident {
            const ALL: &'static [::squall::Flaw] = &[#(#all),*];

            fn named(name: &str) -> ::core::option::Option<Self> {
                match name {
                    #(#named,)*
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

/// The invariant that a flaw must violate.
fn violates(variant: &Variant) -> syn::Result<LitStr> {
    let mut found = variant.attrs.iter().filter(|attribute| attribute.path().is_ident("violates"));
    let Some(attribute) = found.next() else {
        let message = "add #[violates(\"..\")]: the invariant that it must violate, by its name";
        return Err(syn::Error::new_spanned(&variant.ident, message));
    };
    if let Some(second) = found.next() {
        return Err(syn::Error::new_spanned(second, "it violates one invariant first of all: name that one"));
    }
    let invariant: LitStr = attribute
        .parse_args()
        .map_err(|e| syn::Error::new(e.span(), "#[violates(\"..\")] takes the name of an invariant"))?;
    if invariant.value().is_empty() {
        return Err(syn::Error::new(invariant.span(), "an invariant has a name"));
    }
    Ok(invariant)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn error(input: &DeriveInput) -> String {
        expand(input).expect_err("it is wrong").to_string()
    }

    #[test]
    fn a_flaw_is_its_name_its_documentation_and_what_it_violates() {
        let expanded = expand(&parse_quote! {
            #[serde(rename_all = "snake_case", deny_unknown_fields)]
            enum F {
                /// The store takes writes
                /// with old tokens.
                ///
                /// More of it.
                #[violates("writes_fenced")]
                UnfencedStore,
            }
        });
        let expanded = expanded.expect("it is right").to_string();
        for part in ["\"unfenced_store\"", "\"the store takes writes with old tokens\"", "\"writes_fenced\""]
        {
            assert!(expanded.contains(part), "{expanded}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        assert_eq!(error(&parse_quote! { struct F; }), "flaws are the variants of an enum");
        assert_eq!(error(&parse_quote! { enum F {} }), "there are no flaws in it");
        let unnamed: DeriveInput = parse_quote! { enum F { #[doc = "x"] #[violates("y")] A } };
        assert!(error(&unnamed).contains("rename_all"));
        for (variant, says) in [
            (quote! { #[violates("y")] A }, "its documentation"),
            (quote! { #[doc = "x"] A }, "add #[violates"),
            (quote! { #[doc = "x"] #[violates(y)] A }, "the name of an invariant"),
            (quote! { #[doc = "x"] #[violates("")] A }, "has a name"),
            (quote! { #[doc = "x"] #[violates("y")] #[violates("z")] A }, "name that one"),
            (quote! { #[doc = "x"] #[violates("y")] A { n: u32 } }, "no fields"),
            (quote! { #[doc = "x"] #[violates("y")] A(u32) }, "names"),
            (quote! { #[doc = "x"] #[violates("y")] #[serde(rename = "b")] A }, "in snake case"),
        ] {
            let told = error(&parse_quote! { #[serde(rename_all = "snake_case")] enum F { #variant } });
            assert!(told.contains(says), "{told}");
        }
    }

    #[test]
    fn names_and_abbreviations_stay() {
        let about = |doc: &str| words::about(&[parse_quote! { #[doc = #doc] }]);
        assert_eq!(about(" A lease ends."), Some("a lease ends".to_owned()));
        assert_eq!(about(" TCP resets."), Some("TCP resets".to_owned()));
        assert_eq!(about(""), None);
    }
}
