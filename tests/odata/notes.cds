// The part of an org that Notes touch, under the names of Dataverse's Web API.
@path: '/api/data/v9.2'
service WebApi {
  entity opportunities {
    key opportunityid : UUID;
        name          : String(300);
  }

  entity annotations as select from stored.annotations {
    *,
    objectid_opportunity.opportunityid as _objectid_value
  };
}

context stored {
  entity annotations {
    key annotationid         : UUID;
        // The pattern stands for a rule of the customer's own, as a plug-in would enforce it.
        subject              : String(500) @assert.format: '^(?!.*Confidential)';
        notetext             : String(100000);
        filename             : String(255);
        mimetype             : String(256);
        isdocument           : Boolean default false;
        documentbody         : LargeString;
        @odata.etag
        versionnumber        : UUID;
        objectid_opportunity : Association to WebApi.opportunities @assert.target;
  }
}
