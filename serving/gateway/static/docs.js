const place = document.getElementById("api");
SwaggerUIBundle({ url: place.dataset.spec, domNode: place, validatorUrl: null });
