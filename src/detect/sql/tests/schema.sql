-- As pg_dump writes it, shortened.
\restrict x
SET search_path = '';
CREATE FUNCTION public.touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.updated_at = now(); RETURN NEW; END; $$;
CREATE TABLE public.tenants (id uuid NOT NULL, slug text NOT NULL, name text, CONSTRAINT slug_form CHECK ((slug ~ '^[a-z;(]+$'::text)));
CREATE TABLE public.members (
    id bigint NOT NULL,
    tenant_id uuid NOT NULL,
    email text NOT NULL,
    role character varying(20) DEFAULT 'user'::character varying NOT NULL
);
CREATE TABLE public.documents (
    id bigint NOT NULL,
    tenant_id uuid NOT NULL,
    author_id bigint,
    title text,
    visibility text DEFAULT 'private'::text NOT NULL,
    data jsonb,
    created_at timestamp with time zone DEFAULT now(),
    price numeric(10,2)
);
CREATE TABLE public.notes (id bigint NOT NULL, tenant_id uuid NOT NULL, document_id bigint NOT NULL, body text);
CREATE TABLE public.invoices (
    id bigint NOT NULL,
    tenant_id uuid DEFAULT (current_setting('app.tenant_id'::text))::uuid NOT NULL,
    number text NOT NULL,
    amount integer
)
PARTITION BY RANGE (id);
CREATE TABLE public.invoices_1 (id bigint NOT NULL, tenant_id uuid NOT NULL, number text NOT NULL, amount integer);
ALTER TABLE ONLY public.invoices ATTACH PARTITION public.invoices_1 FOR VALUES FROM ('1') TO ('1000');
CREATE TABLE public.folders (id bigint NOT NULL, tenant_id uuid NOT NULL, parent_id bigint, name text);
CREATE TABLE public.folder_items (id bigint NOT NULL, folder_id bigint NOT NULL, "position" integer);
CREATE TABLE public.item_tags (item_id bigint NOT NULL, tag text NOT NULL);
CREATE TABLE public.countries (code text NOT NULL, name text, seen_by bigint);
CREATE TABLE audit.events (id bigint NOT NULL, tenant_id uuid, what text);
CREATE TABLE public."Orders" ("Id" bigint NOT NULL, tenant_id uuid NOT NULL);
COPY public.countries (code, name) FROM stdin;
xx	CREATE TABLE public.never (tenant_id uuid);
\.
CREATE VIEW public.public_documents AS
 SELECT documents.id, documents.title FROM public.documents WHERE (documents.visibility = 'public'::text);
CREATE VIEW public.recent_documents AS
 SELECT documents.id, documents.tenant_id, documents.title FROM public.documents WHERE (documents.created_at > '2026-01-01'::date);
CREATE VIEW public.my_documents AS
 SELECT documents.id, documents.title FROM public.documents
  WHERE (documents.tenant_id = (current_setting('app.tenant_id'::text))::uuid);
ALTER TABLE ONLY public.tenants ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.members ADD CONSTRAINT members_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.members ADD CONSTRAINT members_email_key UNIQUE (email);
ALTER TABLE ONLY public.documents ADD CONSTRAINT documents_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.notes ADD CONSTRAINT notes_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoices ADD CONSTRAINT invoices_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.invoices ADD CONSTRAINT invoices_number UNIQUE (tenant_id, number);
ALTER TABLE ONLY public.folders ADD CONSTRAINT folders_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.folder_items ADD CONSTRAINT folder_items_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.item_tags ADD CONSTRAINT item_tags_pkey PRIMARY KEY (item_id, tag);
ALTER TABLE ONLY public.countries ADD CONSTRAINT countries_pkey PRIMARY KEY (code);
CREATE UNIQUE INDEX tenants_slug ON public.tenants USING btree (slug);
ALTER TABLE ONLY public.documents ADD CONSTRAINT documents_author FOREIGN KEY (author_id) REFERENCES public.members(id) ON DELETE SET NULL;
ALTER TABLE ONLY public.notes ADD CONSTRAINT notes_document FOREIGN KEY (document_id) REFERENCES public.documents(id);
ALTER TABLE ONLY public.folders ADD CONSTRAINT folders_parent FOREIGN KEY (parent_id) REFERENCES public.folders(id);
ALTER TABLE ONLY public.folder_items ADD CONSTRAINT items_folder FOREIGN KEY (folder_id) REFERENCES public.folders(id);
ALTER TABLE ONLY public.item_tags ADD CONSTRAINT tags_item FOREIGN KEY (item_id) REFERENCES public.folder_items(id);
ALTER TABLE ONLY public.countries ADD CONSTRAINT countries_seen FOREIGN KEY (seen_by) REFERENCES public.members(id);
CREATE POLICY own ON public.documents USING ((tenant_id = (current_setting('app.tenant_id'::text))::uuid)) WITH CHECK ((tenant_id = (current_setting('app.tenant_id'::text))::uuid));
CREATE POLICY own ON public.notes AS RESTRICTIVE FOR SELECT TO app USING (((tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::uuid) AND (body IS NOT NULL)));
CREATE POLICY own ON public.folders USING (((tenant_id = (current_setting('app.tenant_id'::text))::uuid) OR (name = 'shared'::text)));
ALTER TABLE public.documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE ONLY public.documents FORCE ROW LEVEL SECURITY;
ALTER TABLE public.notes ENABLE ROW LEVEL SECURITY;
